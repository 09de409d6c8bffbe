/*
 * A lower bound for a mirror client over plain HTTP/1.1.  It is told what to copy and only moves
 * the bytes: GET -> SHA-256 -> PUT over blocking keep-alive sockets, a pair of them for each
 * thread. It trusts the servers, and gives up at the first surprise.
 *
 *     floor SOURCE_HOST:PORT TARGET_HOST:PORT PLAN THREADS HASH(0|1)
 *
 * The lines of PLAN, in stages divided by "-":
 *     B sourcerepo targetrepo digest size    copy a blob
 *     M targetrepo digest fromrepo           mount a blob
 *     P repo reference digest mediatype      copy a manifest
 *     S repo reference                       HEAD a manifest at the source
 *     D repo reference                       HEAD a manifest at the target
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BUFFER = 256 * 1024,       /* bytes: a connection's, which holds a whole answer's head */
	MOST_PATH = 4096,          /* bytes of a request's path, or of a Location */
	MOST_HEAD = 2 * MOST_PATH, /* bytes of a request's head */
	MOST_FIELDS = 5,           /* words of a line */
	MOST_THREADS = 256,
	SHA256_HEX = 64,                  /* digits */
	ALGORITHM = sizeof "sha256:" - 1, /* the beginning of a digest */
};

struct connection {
	int fd;
	const char *address;
	char *bytes;
	size_t size, used; /* of bytes: read so far, and taken */
};

struct answer {
	int status;
	long long length;
	char location[MOST_PATH];
};

/* One line of the plan: its words. */
struct job {
	char *field[MOST_FIELDS];
};

static struct job *jobs;
static size_t n_jobs;
static atomic_size_t next_job;
static bool hashing;
static const char *source_address, *target_address;
static const char ACCEPT[] =
	"Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
	"application/vnd.docker.distribution.manifest.list.v2+json, "
	"application/vnd.docker.distribution.manifest.v2+json\r\n";

_Noreturn static void die(const char *what, const char *where)
{
	fprintf(stderr, "floor: %s %s\n", what, where);
	exit(1);
}

/* snprintf() that does not cut. */
__attribute__((format(printf, 3, 4))) static size_t print(
	char *to, size_t room, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(to, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		die("too long:", format);
	return (size_t)n;
}

static long long number(const char *text)
{
	char *end;

	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (errno || end == text || n < 0)
		die("no number:", text);
	return n;
}

static void dial(struct connection *c, const char *address)
{
	char host[NI_MAXHOST];

	print(host, sizeof host, "%s", address);
	char *port = strrchr(host, ':');
	if (!port)
		die("no port:", address);
	*port++ = '\0';
	struct addrinfo hint = {.ai_socktype = SOCK_STREAM}, *found;
	if (getaddrinfo(host, port, &hint, &found))
		die("resolve", address);
	c->fd = socket(found->ai_family, SOCK_STREAM, 0);
	c->address = address;
	c->bytes = malloc(BUFFER + 1);
	int one = 1;
	if (c->fd < 0 || !c->bytes ||
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
		connect(c->fd, found->ai_addr, found->ai_addrlen))
		die("connect", address);
	freeaddrinfo(found);
}

static void put(struct connection *c, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(c->fd, bytes, size);
		if (n <= 0)
			die("write", c->address);
		bytes += n;
		size -= (size_t)n;
	}
}

/* The value of a header line, when it has that name ("Name:"). */
static const char *value_of(const char *line, const char *name)
{
	size_t n = strlen(name);

	return strncasecmp(line, name, n) ? NULL : line + n + strspn(line + n, " ");
}

/* Reads the head of an answer; what came of its body stays in the buffer. */
static void read_head(struct connection *c, struct answer *a)
{
	char *end;

	c->size -= c->used;
	memmove(c->bytes, c->bytes + c->used, c->size);
	c->used = 0;
	for (;;) {
		c->bytes[c->size] = '\0';
		end = strstr(c->bytes, "\r\n\r\n");
		if (end)
			break;
		ssize_t n = read(c->fd, c->bytes + c->size, BUFFER - c->size);
		if (n <= 0)
			die("read", c->address);
		c->size += (size_t)n;
	}
	*end = '\0';
	*a = (struct answer){0};
	if (sscanf(c->bytes, "HTTP/1.1 %3d", &a->status) != 1)
		die("no HTTP/1.1:", c->address);
	for (char *line = c->bytes; (line = strstr(line, "\r\n"));) {
		line += 2;
		const char *value = value_of(line, "Content-Length:");
		if (value)
			a->length = number(value);
		value = value_of(line, "Location:");
		if (value)
			print(a->location,
				sizeof a->location,
				"%.*s",
				(int)strcspn(value, "\r"),
				value);
	}
	c->used = (size_t)(end + 4 - c->bytes);
}

/* Sends a request's head; length < 0: it has no body. */
static void ask(struct connection *c, const char *method, const char *path, const char *more,
	long long length)
{
	char head[MOST_HEAD];

	size_t n = print(head,
		sizeof head,
		"%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: floor\r\n%s",
		method,
		path,
		c->address,
		more);
	if (length >= 0)
		n += print(head + n, sizeof head - n, "Content-Length: %lld\r\n", length);
	n += print(head + n, sizeof head - n, "\r\n");
	put(c, head, n);
}

static void expect(struct connection *c, struct answer *a, int status, const char *what)
{
	read_head(c, a);
	if (a->status != status)
		die(what, c->address);
}

/* Hands a body on as it comes. */
static void carry(
	struct connection *from, struct connection *to, long long length, EVP_MD_CTX *hash)
{
	size_t left = (size_t)length;

	while (left) {
		if (from->used == from->size) {
			ssize_t n = read(from->fd, from->bytes, left < BUFFER ? left : BUFFER);
			if (n <= 0)
				die("body", from->address);
			from->used = 0;
			from->size = (size_t)n;
		}
		size_t n = from->size - from->used;
		if (n > left)
			n = left;
		if (hash)
			EVP_DigestUpdate(hash, from->bytes + from->used, n);
		put(to, from->bytes + from->used, n);
		from->used += n;
		left -= n;
	}
}

static void check_digest(EVP_MD_CTX *hash, const char *digest)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	char hex[SHA256_HEX + 1];

	EVP_DigestFinal_ex(hash, raw, &size);
	for (unsigned i = 0; i < SHA256_HEX / 2; i++)
		print(hex + (size_t)2 * i, 3, "%02x", (unsigned)raw[i]);
	if (strcmp(hex, digest + ALGORITHM))
		die("wrong digest:", digest);
}

static void copy_blob(
	struct connection *s, struct connection *t, char *const *field, EVP_MD_CTX *hash)
{
	const char *digest = field[3];
	long long size = number(field[4]);
	struct answer a;
	char path[MOST_PATH];

	/* Both requests are under way together. */
	print(path, sizeof path, "/v2/%s/blobs/%s", field[1], digest);
	ask(s, "GET", path, "", -1);
	print(path, sizeof path, "/v2/%s/blobs/uploads/", field[2]);
	ask(t, "POST", path, "", 0);
	expect(t, &a, 202, "POST upload");
	const char *upload = strstr(a.location, "/v2/");
	if (!upload)
		die("no Location:", t->address);
	char joint = strchr(upload, '?') ? '&' : '?';
	print(path, sizeof path, "%s%cdigest=%s", upload, joint, digest);
	expect(s, &a, 200, "GET blob");
	if (a.length != size)
		die("wrong size:", digest);
	ask(t, "PUT", path, "Content-Type: application/octet-stream\r\n", size);
	if (hashing)
		EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
	carry(s, t, size, hashing ? hash : NULL);
	if (hashing)
		check_digest(hash, digest);
	expect(t, &a, 201, "PUT blob");
}

static void mount_blob(struct connection *t, char *const *field)
{
	struct answer a;
	char path[MOST_PATH];

	print(path,
		sizeof path,
		"/v2/%s/blobs/uploads/?mount=%s&from=%s",
		field[1],
		field[2],
		field[3]);
	ask(t, "POST", path, "", 0);
	expect(t, &a, 201, "mount");
}

static void copy_manifest(struct connection *s, struct connection *t, char *const *field)
{
	struct answer a;
	char path[MOST_PATH], type[MOST_PATH];

	print(path, sizeof path, "/v2/%s/manifests/%s", field[1], field[2]);
	ask(s, "GET", path, ACCEPT, -1);
	expect(s, &a, 200, "GET manifest");
	print(type, sizeof type, "Content-Type: %s\r\n", field[4]);
	ask(t, "PUT", path, type, a.length);
	carry(s, t, a.length, NULL);
	expect(t, &a, 201, "PUT manifest");
}

static void head_manifest(struct connection *c, char *const *field)
{
	struct answer a;
	char path[MOST_PATH];

	print(path, sizeof path, "/v2/%s/manifests/%s", field[1], field[2]);
	ask(c, "HEAD", path, ACCEPT, -1);
	expect(c, &a, 200, "HEAD manifest");
}

static void *work(void *unused)
{
	struct connection s = {0}, t = {0};
	EVP_MD_CTX *hash = EVP_MD_CTX_new();

	(void)unused;
	dial(&s, source_address);
	dial(&t, target_address);
	for (size_t i; (i = atomic_fetch_add(&next_job, 1)) < n_jobs;) {
		char *const *field = jobs[i].field;
		switch (*field[0]) {
		case 'B':
			copy_blob(&s, &t, field, hash);
			break;
		case 'M':
			mount_blob(&t, field);
			break;
		case 'P':
			copy_manifest(&s, &t, field);
			break;
		case 'S':
			head_manifest(&s, field);
			break;
		case 'D':
			head_manifest(&t, field);
			break;
		default:
			die("what is", field[0]);
		}
	}
	EVP_MD_CTX_free(hash);
	free(s.bytes);
	free(t.bytes);
	close(s.fd);
	close(t.fd);
	return NULL;
}

static void run_stage(size_t threads)
{
	pthread_t thread[MOST_THREADS];

	next_job = 0;
	if (threads > n_jobs)
		threads = n_jobs;
	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, work, NULL))
			die("start", "a thread");
	for (size_t i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
}

/* Splits a line at its blanks; a kind of job has a certain number of words. */
static void parse(char *line, struct job *job)
{
	static const char KINDS[] = "BMPSD";
	static const size_t WORDS[] = {5, 4, 5, 3, 3};
	size_t n = 0;

	*job = (struct job){0};
	line[strcspn(line, "\n")] = '\0';
	for (char *word; n < MOST_FIELDS && (word = strsep(&line, " "));)
		job->field[n++] = word;
	const char *kind = *job->field[0] ? strchr(KINDS, *job->field[0]) : NULL;
	if (!kind || n != WORDS[kind - KINDS])
		die("bad line in the plan:", job->field[0]);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t room = 0, capacity = 0;

	if (argc != 6) {
		fputs("usage: floor SOURCE TARGET PLAN THREADS HASH\n", stderr);
		return 2;
	}
	source_address = argv[1];
	target_address = argv[2];
	size_t threads = (size_t)number(argv[4]);
	hashing = number(argv[5]);
	FILE *plan = fopen(argv[3], "r");
	if (!plan || !threads || threads > MOST_THREADS)
		die("cannot use", plan ? argv[4] : argv[3]);
	for (bool more = true; more;) {
		more = getline(&line, &room, plan) >= 0;
		if (!more || *line == '-') {
			run_stage(threads);
			for (size_t i = 0; i < n_jobs; i++)
				free(jobs[i].field[0]);
			n_jobs = 0;
			continue;
		}
		if (n_jobs == capacity) {
			capacity = capacity * 2 + MOST_THREADS;
			jobs = realloc(jobs, capacity * sizeof *jobs);
			if (!jobs)
				die("no memory for", argv[3]);
		}
		parse(strdup(line), &jobs[n_jobs++]);
	}
	free(line);
	free(jobs);
	fclose(plan);
	return 0;
}
