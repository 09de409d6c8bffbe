/*
 * A point-to-point link between two network namespaces with a one-way delay, a rate and a tail-drop
 * queue, for kernels without netem: two TUN devices and a forwarder.
 *
 *     delaylink NETNS_A DEVICE_A NETNS_B DEVICE_B DELAY_US RATE_BPS QUEUE_BYTES
 *
 * Prints "up" once both devices exist; runs until SIGTERM.
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
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
	SLOTS = 1 << 16, /* packets on the way, a power of two */
	PACKET = 1600,   /* bytes: an Ethernet frame, and some */
	BATCH = 32,      /* packets read before those that are due are looked at again */
};
static const int64_t NS_A_SECOND = 1000000000;

struct packet {
	int64_t due; /* ns, monotonic */
	size_t size;
	unsigned char bytes[PACKET];
};

/* One direction. */
struct link {
	int in, out;
	int64_t delay;      /* ns */
	double ns_a_byte;   /* the rate */
	int64_t most_queue; /* ns of sending time that may wait */
	struct packet *ring;
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_A_SECOND + t.tv_nsec;
}

/* Waits for a packet, or until the first one in the ring is due. */
static bool readable(const struct link *l, const struct packet *first)
{
	int64_t wait = first ? first->due - now() : NS_A_SECOND;
	if (wait < 0)
		wait = 0;
	struct timespec t = {.tv_sec = wait / NS_A_SECOND, .tv_nsec = wait % NS_A_SECOND};
	struct pollfd f = {.fd = l->in, .events = POLLIN};
	return ppoll(&f, 1, &t, NULL) > 0;
}

static void *forward(void *arg)
{
	struct link *l = arg;
	unsigned head = 0, tail = 0;
	int64_t busy = 0; /* until then the link sends what it has */

	for (;;) {
		int64_t t = now();
		while (head != tail && l->ring[head % SLOTS].due <= t) {
			const struct packet *p = &l->ring[head++ % SLOTS];
			/* What the kernel does not take is lost, as on any network. */
			if (write(l->out, p->bytes, p->size) < 0)
				continue;
		}
		if (!readable(l, head == tail ? NULL : &l->ring[head % SLOTS]))
			continue;
		for (int i = 0; i < BATCH; i++) {
			struct packet *p = &l->ring[tail % SLOTS];
			unsigned char dropped[PACKET];
			t = now();
			if (busy < t)
				busy = t;
			bool full = busy - t > l->most_queue || tail - head == SLOTS;
			ssize_t n = read(l->in, full ? dropped : p->bytes, PACKET);
			if (n <= 0)
				break;
			if (full)
				continue;
			busy += (int64_t)((double)n * l->ns_a_byte);
			p->size = (size_t)n;
			p->due = busy + l->delay;
			tail++;
		}
	}
	return NULL;
}

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "delaylink: %s: %s\n", what, strerror(errno));
	exit(1);
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
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	snprintf(r.ifr_name, IFNAMSIZ, "%s", device);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r))
		die(device);
	return fd;
}

static int64_t number(const char *text)
{
	char *end;

	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (errno || end == text || *end || n < 0) {
		errno = EINVAL;
		die(text);
	}
	return n;
}

int main(int argc, char **argv)
{
	if (argc != 8) {
		fputs("usage: delaylink NETNS_A DEVICE_A NETNS_B DEVICE_B DELAY_US RATE_BPS QUEUE_BYTES\n",
			stderr);
		return 2;
	}
	int a = tun(argv[1], argv[2]), b = tun(argv[3], argv[4]);
	double ns_a_byte = 8 * (double)NS_A_SECOND / (double)number(argv[6]);
	struct link links[] = {{.in = a, .out = b}, {.in = b, .out = a}};
	for (int i = 0; i < 2; i++) {
		struct link *l = &links[i];
		pthread_t thread;
		l->delay = number(argv[5]) * 1000;
		l->ns_a_byte = ns_a_byte;
		l->most_queue = (int64_t)((double)number(argv[7]) * ns_a_byte);
		l->ring = calloc(SLOTS, sizeof *l->ring);
		if (!l->ring || pthread_create(&thread, NULL, forward, l))
			die("start");
	}
	puts("up");
	fflush(stdout);
	for (;;)
		pause();
}
