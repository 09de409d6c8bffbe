/* Where an exchange stands, and for how long it may stay there without a byte. */
#include "http/internal.h"
#include "util/parse.h"

#define UPLOAD_ANSWER_MS 300000 /* registries hash an upload after its last byte came */
#define ERROR_BODY_MS    2000 /* what explains an error is short, or never comes (protocol.md 7.2) */
#define CONNECT_SLACK_MS 1000 /* libcurl ends a connect itself, with a better message */
#define STALL_LOOKS      4    /* within stall_ms at the peer's acknowledgements */

uint64_t call_connect_ms(const struct http_call *call)
{
	return call->request.connect_ms ? call->request.connect_ms
					: call->host->options->connect_ms;
}

static uint64_t stall_ms(const struct http_call *call)
{
	return call->request.stall_ms ? call->request.stall_ms : call->host->options->stall_ms;
}

/* A registry may take long over an upload, whatever is usual at its host. */
static uint64_t first_byte_ms(const struct http_call *call)
{
	if (call->request.first_byte_ms)
		return call->request.first_byte_ms;
	if (call->request.method == HTTP_PUT || call->request.method == HTTP_PATCH)
		return UPLOAD_ANSWER_MS;
	return call->host->options->first_byte_ms;
}

static uint64_t deadline(const struct http_call *call)
{
	uint64_t wait_ms = stall_ms(call);

	switch (call->phase) {
	case PHASE_CONNECT:
		return call->active_ms + call_connect_ms(call) + CONNECT_SLACK_MS;
	case PHASE_WAIT:
		return call->active_ms + first_byte_ms(call);
	case PHASE_BODY:
		if (call->response.status >= 400 && wait_ms > ERROR_BODY_MS)
			wait_ms = ERROR_BODY_MS;
		break;
	case PHASE_SEND:
	default:
		break;
	}
	/* Waiting for ourselves is no stall. */
	return (call->paused ? call->loop->now_ms : call->active_ms) + wait_ms;
}

static void timer_rearm(struct http_call *call, uint64_t due_ms)
{
	uint64_t look_ms = call->loop->now_ms + stall_ms(call) / STALL_LOOKS;

	timer_set(&call->timer, call->phase == PHASE_SEND && look_ms < due_ms ? look_ms : due_ms);
}

void phase_enter(struct http_call *call, enum call_phase phase)
{
	call->phase = phase;
	call->active_ms = call->loop->now_ms;
	timer_rearm(call, deadline(call));
}

static void on_timer(void *ctx)
{
	static const char *const what[] = {
		[PHASE_CONNECT] = "no connection",
		[PHASE_SEND] = "the peer took no byte",
		[PHASE_WAIT] = "no answer",
		[PHASE_BODY] = "no byte came",
	};
	struct http_call *call = ctx;
	uint64_t now_ms = call->loop->now_ms, acked, due_ms;
	char span[DURATION_TEXT_MAX];

	if (call->phase == PHASE_SEND && (acked = socket_acknowledged(call->fd)) != call->acked) {
		call->acked = acked;
		call->active_ms = now_ms;
	}
	due_ms = deadline(call);
	if (due_ms > now_ms) {
		timer_rearm(call, due_ms);
		return;
	}
	/* An error's status is an answer, also when its body never comes. */
	if (!call->header_done || call->response.status < 400) {
		(void)error_set(&call->fail,
			ERR_TEMP,
			"%s://%s:%u: %s for %s",
			call->url.scheme,
			call->url.host,
			call->url.port,
			what[call->phase],
			format_duration(now_ms - call->active_ms, span));
		call->fail.sys = ETIMEDOUT; /* a retry after it costs more (sources.md 3.4) */
	}
	call_finish(call, CURLE_OPERATION_TIMEDOUT);
}

void phase_begin(struct http_call *call)
{
	timer_init(&call->timer, call->loop, on_timer, call);
	phase_enter(call, PHASE_CONNECT);
}
