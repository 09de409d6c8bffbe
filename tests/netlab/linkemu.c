/*
 * A link between two network namespaces with a one-way delay, a rate, a queue, loss and jitter,
 * for kernels without netem: two TUN devices and a forwarder.
 *
 *     linkemu NETNS_A DEVICE_A NETNS_B DEVICE_B SETTINGS
 *
 * SETTINGS is a file of lines "NAME NUMBER", read again at SIGUSR1:
 *     delay    one way, microseconds
 *     rate     bytes of IP packets a second and direction; 0: as many as come
 *     queue    bytes that may wait for their turn, the others are dropped
 *     loss     packets lost of a million, at random; a million is a black hole
 *     jitter   microseconds, at most so many are added; packets stay in order
 *
 * Prints "up" once both devices exist, and "set" when the settings were read again; runs until
 * SIGTERM.  Needs CAP_SYS_ADMIN, CAP_NET_ADMIN and /dev/net/tun.  One link carries about 130 MB/s.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
	SLOTS = 1 << 14, /* packets on the way in one direction, a power of two */
	PACKET = 1600,   /* bytes: an Ethernet frame, and some */
	BATCH = 64,      /* packets read before those that are due are looked at again */
	A_MILLION = 1000000,
	EARLY_NS = 20 * 1000, /* so early a packet may be: less than a timer costs */
};
static const int64_t NS_A_SECOND = 1000000000;

struct settings {
	int64_t delay, jitter; /* ns */
	double ns_a_byte;      /* 0: no limit */
	double queue;          /* bytes */
	uint64_t loss;         /* of a million */
};

struct packet {
	int64_t due; /* ns, monotonic */
	size_t size;
	unsigned char bytes[PACKET];
};

/* One direction. */
struct lane {
	int in, out;
	int64_t busy; /* until then the link sends what it has */
	int64_t last; /* when the youngest packet is due */
	struct packet *ring;
	unsigned head, tail;
};

static volatile sig_atomic_t settings_changed;

static void on_change(int number)
{
	(void)number;
	settings_changed = 1;
}

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "linkemu: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_A_SECOND + t.tv_nsec;
}

/* xorshift64: the same losses in every run. */
static uint64_t chance(uint64_t below)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

/* ---- settings ---- */

static void set(struct settings *s, const char *name, uint64_t n)
{
	if (strcmp(name, "delay") == 0) {
		s->delay = (int64_t)n * 1000;
	} else if (strcmp(name, "jitter") == 0) {
		s->jitter = (int64_t)n * 1000;
	} else if (strcmp(name, "rate") == 0) {
		s->ns_a_byte = n ? (double)NS_A_SECOND / (double)n : 0;
	} else if (strcmp(name, "queue") == 0) {
		s->queue = (double)n;
	} else if (strcmp(name, "loss") == 0 && n <= A_MILLION) {
		s->loss = n;
	} else {
		errno = EINVAL;
		die(name);
	}
}

static struct settings read_settings(const char *path)
{
	struct settings s = {0};
	char line[PATH_MAX];
	FILE *f = fopen(path, "re");

	if (!f)
		die(path);
	while (fgets(line, sizeof line, f)) {
		char *end, *number = strchr(line, ' ');
		if (!number)
			continue;
		*number++ = '\0';
		errno = 0;
		unsigned long long n = strtoull(number, &end, 10);
		if (errno || end == number || *end != '\n' || n > INT_MAX) {
			errno = EINVAL;
			die(number);
		}
		set(&s, line, n);
	}
	fclose(f);
	return s;
}

/* What waits goes at the new rate, as far as it has no time yet. */
static void change(struct lane *l, const struct settings *from, const struct settings *to)
{
	int64_t t = now();

	if (l->busy <= t || from->ns_a_byte <= 0)
		return;
	l->busy = t + (int64_t)((double)(l->busy - t) * to->ns_a_byte / from->ns_a_byte);
}

/* ---- packets ---- */

/* Takes one packet in; false when there is none. */
static bool take(struct lane *l, const struct settings *s)
{
	unsigned char dropped[PACKET];
	struct packet *p = &l->ring[l->tail % SLOTS];
	int64_t t = now();

	if (l->busy < t)
		l->busy = t;
	bool drop = l->tail - l->head == SLOTS || (double)(l->busy - t) > s->queue * s->ns_a_byte ||
		    (s->loss && chance(A_MILLION) < s->loss);
	ssize_t n = read(l->in, drop ? dropped : p->bytes, PACKET);
	if (n <= 0)
		return false;
	if (drop)
		return true;
	l->busy += (int64_t)((double)n * s->ns_a_byte);
	p->size = (size_t)n;
	p->due = l->busy + s->delay;
	if (s->jitter)
		p->due += (int64_t)chance((uint64_t)s->jitter);
	if (p->due < l->last)
		p->due = l->last;
	l->last = p->due;
	l->tail++;
	return true;
}

/* Gives out what is due; returns when the next packet is, or INT64_MAX. */
static int64_t give(struct lane *l)
{
	int64_t t = now();

	while (l->head != l->tail) {
		const struct packet *p = &l->ring[l->head % SLOTS];
		if (p->due > t + EARLY_NS)
			return p->due;
		/* What the kernel does not take is lost, as on any network. */
		if (write(l->out, p->bytes, p->size) < 0 && errno != EAGAIN && errno != EIO &&
			errno != EINVAL && errno != ENOBUFS)
			die("write");
		l->head++;
	}
	return INT64_MAX;
}

/* A TUN device in a network namespace, in which the program then is. */
static int tun(const char *namespace, const char *device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "/run/netns/%s", namespace);
	int ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		die(path);
	close(ns);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		die("/dev/net/tun");
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	snprintf(r.ifr_name, IFNAMSIZ, "%s", device);
	if (ioctl(fd, TUNSETIFF, &r))
		die(device);
	return fd;
}

static void forward(struct lane lanes[static 2], struct settings *s, const char *path)
{
	sigset_t none;

	sigemptyset(&none);
	for (;;) {
		int64_t next = INT64_MAX;
		struct pollfd f[2];

		for (int i = 0; i < 2; i++) {
			int64_t due = give(&lanes[i]);
			if (due < next)
				next = due;
			f[i] = (struct pollfd){.fd = lanes[i].in, .events = POLLIN};
		}
		int64_t wait = next == INT64_MAX ? NS_A_SECOND : next - now();
		if (wait < 0)
			wait = 0;
		struct timespec t = {.tv_sec = wait / NS_A_SECOND, .tv_nsec = wait % NS_A_SECOND};
		if (ppoll(f, 2, &t, &none) < 0 && errno != EINTR)
			die("poll");
		if (settings_changed) {
			struct settings later = read_settings(path);
			settings_changed = 0;
			for (int i = 0; i < 2; i++)
				change(&lanes[i], s, &later);
			*s = later;
			puts("set");
			fflush(stdout);
			continue; /* after a signal `f` says nothing */
		}
		for (int i = 0; i < 2; i++) {
			for (int n = 0; n < BATCH && (f[i].revents & POLLIN); n++) {
				if (!take(&lanes[i], s))
					break;
			}
		}
	}
}

int main(int argc, char **argv)
{
	sigset_t blocked;

	if (argc != 6) {
		fputs("usage: linkemu NETNS_A DEVICE_A NETNS_B DEVICE_B SETTINGS\n", stderr);
		return 2;
	}
	/* Only while it waits is the program told of new settings. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &blocked, NULL) ||
		sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_change}, NULL))
		die("signals");
	prctl(PR_SET_TIMERSLACK, 1000UL); /* ns; 50 microseconds otherwise */

	struct settings s = read_settings(argv[5]);
	int a = tun(argv[1], argv[2]), b = tun(argv[3], argv[4]);
	struct lane lanes[2] = {{.in = b, .out = a}, {.in = a, .out = b}};
	for (int i = 0; i < 2; i++) {
		lanes[i].ring = calloc(SLOTS, sizeof *lanes[i].ring);
		if (!lanes[i].ring)
			die("memory");
	}
	puts("up");
	fflush(stdout);
	forward(lanes, &s, argv[5]);
}
