/*
 * Where the time of a hop goes.
 *
 * libcurl knows what a new connection cost.  The wait for the answer is taken here, between
 * the moment when the request goes out and the first line that comes back: libcurl's own stamp
 * of an upload's first byte is that of the first send (7.88.1, sources.md 2.1), and its
 * stamps of an old connection say nothing.
 */
#include "http/internal.h"

/* The kernel's least round trip before it has seen any. */
#define NO_ROUND_TRIP UINT32_MAX
/* microseconds behind the header; what ended sooner has not taught the kernel anything more */
#define ROUND_TRIP_AGE_US 1000

uint64_t timing_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t since_us(uint64_t begin_us, uint64_t end_us)
{
	return end_us > begin_us ? end_us - begin_us : 0;
}

/* One of libcurl's stamps: microseconds from the start of the hop; 0: not reached. */
static uint64_t stamp_us(CURL *easy, CURLINFO info)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(easy, info, &us) == CURLE_OK && us > 0 ? (uint64_t)us : 0;
}

void timing_connected(struct http_call *call, const char *peer)
{
	struct http_timing *t = &call->response.timing;
	CURL *easy = call->handle->easy;
	uint64_t named_us, connected_us, secured_us;
	long opened = 0;

	*t = (struct http_timing){.proxied = call->handle->proxied};
	if (peer)
		memcpy(t->address, peer, strnlen(peer, sizeof(t->address) - 1));
	t->fresh =
		curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &opened) == CURLE_OK && opened > 0;
	if (t->fresh) {
		named_us = stamp_us(easy, CURLINFO_NAMELOOKUP_TIME_T);
		connected_us = stamp_us(easy, CURLINFO_CONNECT_TIME_T);
		secured_us = stamp_us(easy, CURLINFO_APPCONNECT_TIME_T);
		t->name_us = named_us;
		t->tcp_us = since_us(named_us, connected_us);
		t->tls_us = secured_us > 0 ? since_us(connected_us, secured_us) : 0;
	}
	call->first_us = 0;
	call->asked_us = timing_now_us();
}

void timing_answered(struct http_call *call)
{
	struct http_timing *t = &call->response.timing;

	if (call->first_us == 0)
		call->first_us = timing_now_us();
	t->wait_us = since_us(call->asked_us, call->first_us);
	t->ttfb_us = t->name_us + t->tcp_us + t->tls_us + t->wait_us;
	call->response.ttfb_us = t->ttfb_us;
	timing_round_trip(call);
}

uint64_t timing_ended(struct http_call *call)
{
	uint64_t now_us = timing_now_us();

	if (since_us(call->first_us, now_us) >= ROUND_TRIP_AGE_US)
		timing_round_trip(call);
	return since_us(call->hop_us, now_us);
}

void timing_round_trip(struct http_call *call)
{
	uint32_t us;

	if (call->handle->proxied || !socket_round_trip(call->fd, &us) || us == NO_ROUND_TRIP)
		return;
	call->response.timing.min_rtt_us = us;
}
