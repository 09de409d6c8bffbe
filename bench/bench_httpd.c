/*
 * bench_httpd.c - the HTTP server alone: what an idle connection costs, and a large file on one.
 *
 * Client and server are one process, so the rate is of both together; the memory is the
 * server's, because the client keeps nothing but a descriptor for each connection.
 */
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "../tests/lib/wire.h"
#include "bench.h"
#include "server/httpd.h"

#define CONNECTIONS  5000
#define ANSWER_BYTES 10240 /* of a manifest */
#define FILE_BYTES   ((uint64_t)256 * 1024 * 1024)
#define IDLE_MAX_KIB 40.0 /* for each connection: what the registry promises */
#define KIB          1024.0
#define STATM_MAX    128 /* bytes of /proc/self/statm */

static int file;

static void begin(void *server_ctx, struct httpd_request *r, void **ret_ctx)
{
	(void)server_ctx, (void)r, (void)ret_ctx;
}

static bool body(struct httpd_request *r, void *ctx, const void *data, size_t n)
{
	(void)r, (void)ctx, (void)data, (void)n;
	return true;
}

static void end(struct httpd_request *r, void *ctx)
{
	static const char answer[ANSWER_BYTES];

	(void)ctx;
	if (strcmp(httpd_path(r), "/file") == 0)
		httpd_answer_file(r, 200, dup(file), 0, FILE_BYTES);
	else
		httpd_answer(r, 200, answer, sizeof(answer));
}

static void done(struct httpd_request *r, void *ctx, bool complete)
{
	(void)r, (void)ctx, (void)complete;
}

static double resident_kib(void)
{
	char text[STATM_MAX] = "";
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (f && fgets(text, sizeof(text), f))
		pages = strtoul(strchr(text, ' ') ? strchr(text, ' ') : "0", NULL, 10);
	if (f)
		(void)fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / KIB;
}

static struct reply reply;

static void ask(void *fd)
{
	wire_ask(*(int *)fd, &reply, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
	if (!reply.whole)
		exit(1);
}

static void ask_file(void *fd)
{
	wire_ask(*(int *)fd, &reply, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
	if (!reply.whole)
		exit(1);
}

/* Each has had an answer, so its buffers have all been used. */
static double idle_kib(const char *address)
{
	static int fds[CONNECTIONS];
	const double before = resident_kib();
	double after;

	for (size_t i = 0; i < CONNECTIONS; i++) {
		fds[i] = wire_connect(address);
		if (fds[i] < 0)
			exit(1);
		ask(&fds[i]);
	}
	after = resident_kib();
	for (size_t i = 0; i < CONNECTIONS; i++)
		(void)close(fds[i]);
	return (after - before) / CONNECTIONS;
}

int main(void)
{
	static const struct httpd_handler handler = {
		.begin = begin, .body = body, .end = end, .done = done};
	const struct httpd_options options = {
		.listen = "127.0.0.1:0", .socket_fd = -1, .handler = &handler};
	const struct rlimit files = {2 * CONNECTIONS + 100, 2 * CONNECTIONS + 100};
	struct error err = ERROR_INIT;
	struct httpd *h = NULL;
	double kib;
	int fd;

	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		bench_die("limit of open files", &err);
	file = memfd_create("file", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, (off_t)FILE_BYTES) < 0)
		bench_die("file", &err);
	if (httpd_start(&options, &h, &err) < 0)
		bench_die("httpd", &err);
	fd = wire_connect(httpd_address(h));
	ask(&fd);
	kib = idle_kib(httpd_address(h));
	printf("httpd, idle connection       %8.1f KiB\n", kib);
	printf("httpd, a file on one         %8.2f GB/s\n",
		bench_rate(ask_file, &fd) * (double)FILE_BYTES / 1e9);
	(void)close(fd);
	httpd_stop(h, 0);
	(void)close(file);
	return kib <= IDLE_MAX_KIB ? 0 : 1;
}
