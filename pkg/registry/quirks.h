/*
 * quirks.h - what is known of named registries that differ from the specification.
 *
 * Only facts with a source belong here (guides/protocol.md 4); what can be learnt
 * from an answer is learnt from it instead.  The table is searched by host, first
 * match wins, and its last row matches every host.
 */
#pragma once

#include <stddef.h>

enum quirk_flags {
	QUIRK_LIBRARY = 1 << 0,  /* one-component names live under "library/" */
	QUIRK_NO_PATCH = 1 << 1, /* chunked uploads are refused: one PUT only */
	QUIRK_ABSENT_IS_401 =
		1 << 2, /* reading a repository that is not there: 401 even with a token */
	QUIRK_ABSENT_IS_403 = 1 << 3, /* HEAD of a blob that is not there: 403 */
	QUIRK_DELETE_IS_PUSH = 1 << 4 /* the token server does not know the action "delete" */
};

struct quirks {
	const char *hosts;    /* fnmatch() pattern over host[:port] */
	const char *api_host; /* where the API is, when it is not at the host itself; or NULL */
	unsigned flags;       /* of enum quirk_flags */
	size_t chunk_min;     /* bytes of one PATCH; 0: no limit known */
	size_t chunk_max;
};

const struct quirks *quirks_of(const char *host); /* never NULL */
