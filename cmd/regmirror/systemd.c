/* systemd.c - readiness and sockets, by sd_notify(3) and sd_listen_fds(3). */
#include "systemd.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "util/mem.h"
#include "util/parse.h"

#define FIRST_FD      3 /* SD_LISTEN_FDS_START */
#define USEC_PER_SEC  UINT64_C(1000000)
#define NSEC_PER_USEC 1000

static uint64_t env_number(const char *name)
{
	const char *text = getenv(name);
	uint64_t n = 0;

	if (!text || parse_u64(text, &n, NULL) < 0)
		return 0;
	return n;
}

int systemd_socket(int *ret_fd, struct error *err)
{
	uint64_t n = env_number("LISTEN_FDS");
	bool ours = env_number("LISTEN_PID") == (uint64_t)getpid();

	/* Nobody whom we start is to take them for his. */
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDNAMES");
	*ret_fd = -1;
	if (!ours || n == 0)
		return 0;
	if (n > 1)
		return error_set(err,
			ERR_USAGE,
			"systemd hands over %ju sockets: one ListenStream= is served",
			(uintmax_t)n);
	if (fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) < 0)
		return error_errno(err, "the socket from systemd");
	*ret_fd = FIRST_FD;
	return 0;
}

/* Lost messages are systemd's to notice: it has a time-out. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	socklen_t len;
	AUTO_CLOSE int fd = -1;

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, strlen(path));
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	/* An abstract name: its first byte is written as '@'. */
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, len);
}

void systemd_ready(const char *status)
{
	AUTO_FREE char *text = xasprintf("READY=1\nSTATUS=%s\n", status);

	notify(text);
}

void systemd_reloading(void)
{
	struct timespec now;
	AUTO_FREE char *text = NULL;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	text = xasprintf("RELOADING=1\nMONOTONIC_USEC=%ju\n",
		(uintmax_t)((uint64_t)now.tv_sec * USEC_PER_SEC +
			    (uint64_t)now.tv_nsec / NSEC_PER_USEC));
	notify(text);
}

void systemd_stopping(void)
{
	notify("STOPPING=1\n");
}
