/*
 * answer.h - what an HTTP status and an error body mean.
 */
#pragma once

#include <stddef.h>

#include "util/buf.h"
#include "util/error.h"

#define ANSWER_BODY_MAX  ((size_t)8 * 1024) /* bytes of an error body that are looked at */
#define ANSWER_WORDS_MAX 200                /* characters of the peer's own words in a message */

/* Statuses that somebody acts on. */
enum answer_status {
	ANSWER_OK = 200,
	ANSWER_CREATED = 201,
	ANSWER_NO_CONTENT = 204,
	ANSWER_PARTIAL_CONTENT = 206,
	ANSWER_BAD_REQUEST = 400,
	ANSWER_UNAUTHORIZED = 401,
	ANSWER_FORBIDDEN = 403,
	ANSWER_NOT_FOUND = 404,
	ANSWER_METHOD_NOT_ALLOWED = 405,
	ANSWER_NOT_ACCEPTABLE = 406,
	ANSWER_REQUEST_TIMEOUT = 408,
	ANSWER_LENGTH_REQUIRED = 411,
	ANSWER_TOO_LARGE = 413,
	ANSWER_UNSUPPORTED_TYPE = 415,
	ANSWER_RANGE_NOT_SATISFIABLE = 416,
	ANSWER_EXPECTATION_FAILED = 417,
	ANSWER_TOO_MANY_REQUESTS = 429,
	ANSWER_NOT_IMPLEMENTED = 501,
	ANSWER_UNAVAILABLE = 503,
	ANSWER_GATEWAY_TIMEOUT = 504,
};

enum errc answer_class(int status);    /* ERR_NONE for 2xx */
const char *answer_reason(int status); /* "Not Found"; "" for a status that is not in the table */

/*
 * The peer's own words: code and message of each distinct entry of the OCI error list
 * ("MANIFEST_UNKNOWN: no such manifest"), or the text of an HTML page or of a plain body; cut and
 * sanitised, "" when there are none.  secrets (NULL-terminated, or NULL for none) are blanked out
 * before: some peers repeat what they were told.  Caller frees.
 */
char *answer_words(const void *body, size_t len, const char *const *secrets) NODISCARD;
