/*
 * A second opinion on a source, for the benchmark to agree with: libcurl's blocking interface, and
 * the arithmetic of the estimator in a few lines.
 *
 *     probe URL CA_FILE BYTES TRIALS
 *
 * Each trial fetches the first BYTES of URL on a new connection and prints a line
 *     CONNECT_MS TTFB_MS NAIVE SKIPPED
 * with the time of TCP's handshake, that until the first byte, and two rates in MiB/s: all bytes
 * over all time, and without the first 8 round trips of the body, in which TCP finds the rate.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	SAMPLES = 400000, /* pieces of one body */
	SKIPPED_RTT = 8,  /* round trips from the first byte on */
	RANGE = 64,       /* characters of a Range */
	TRIALS_MAX = 64,
	BUFFER = 65536,
};
static const double MIB = 1024 * 1024;

struct trial {
	double began;
	size_t n;
	struct {
		double seconds, bytes; /* since the beginning */
	} samples[SAMPLES];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct trial *t = ctx;
	double before = t->n ? t->samples[t->n - 1].bytes : 0;

	(void)bytes;
	if (t->n == SAMPLES)
		return 0;
	t->samples[t->n].seconds = now() - t->began;
	t->samples[t->n].bytes = before + (double)(size * n);
	t->n++;
	return size * n;
}

/* Bytes a second after the first round trips; 0 when there was nothing after them. */
static double steady_rate(const struct trial *t, double rtt)
{
	size_t first = 0, last = t->n - 1;

	while (first < last &&
		t->samples[first].seconds < t->samples[0].seconds + SKIPPED_RTT * rtt)
		first++;
	if (first >= last)
		return 0;
	return (t->samples[last].bytes - t->samples[first].bytes) /
	       (t->samples[last].seconds - t->samples[first].seconds);
}

static int run(const char *url, const char *ca, const char *range, struct trial *t)
{
	CURL *h = curl_easy_init();
	double looked_up = 0, connected = 0, first = 0, total = 0;

	if (!h)
		return -1;
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_CAINFO, ca);
	curl_easy_setopt(h, CURLOPT_RANGE, range);
	curl_easy_setopt(h, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_BUFFERSIZE, (long)BUFFER);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	t->n = 0;
	t->began = now();
	CURLcode rc = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_NAMELOOKUP_TIME, &looked_up);
	curl_easy_getinfo(h, CURLINFO_CONNECT_TIME, &connected);
	curl_easy_getinfo(h, CURLINFO_STARTTRANSFER_TIME, &first);
	curl_easy_getinfo(h, CURLINFO_TOTAL_TIME, &total);
	curl_easy_cleanup(h);
	if (rc != CURLE_OK || t->n == 0) {
		fprintf(stderr, "probe: %s: %s\n", url, curl_easy_strerror(rc));
		return -1;
	}
	printf("%.3f %.3f %.4f %.4f\n",
		1000 * (connected - looked_up),
		1000 * first,
		t->samples[t->n - 1].bytes / total / MIB,
		steady_rate(t, connected - looked_up) / MIB);
	return 0;
}

int main(int argc, char **argv)
{
	static struct trial trial;
	char range[RANGE];

	if (argc != 5) {
		fputs("usage: probe URL CA_FILE BYTES TRIALS\n", stderr);
		return 2;
	}
	unsigned long long bytes = strtoull(argv[3], NULL, 10);
	unsigned long trials = strtoul(argv[4], NULL, 10);
	if (bytes == 0 || trials == 0 || trials > TRIALS_MAX) {
		fputs("probe: BYTES and TRIALS are positive numbers, at most 64 trials\n", stderr);
		return 2;
	}
	snprintf(range, sizeof range, "0-%llu", bytes - 1);
	curl_global_init(CURL_GLOBAL_ALL);
	for (unsigned long i = 0; i < trials; i++) {
		if (run(argv[1], argv[2], range, &trial) < 0)
			return 1;
	}
	return 0;
}
