/*
 * backend.h - the far ends of redirects that want a token of their own.
 *
 * registry.k8s.io sends manifests to regional Artifact Registries, which may answer 401
 * with a challenge of theirs (protocol.md 4.1).  Such a 401 is answered with an anonymous
 * token of that host, never with anything of ours.
 */
#pragma once

#include <stdbool.h>

#include "http/request.h"

struct auth;
struct registry;

/* origins remembered for a registry; registry.k8s.io has about 20 regions */
#define BACKENDS_MAX 32

/* Whether another origin than the registry's answered, after a redirect. */
bool backend_answered(const struct registry *r, const struct http_response *response);
/* The anonymous identity at url's origin; NULL when there are too many of them. */
struct auth *backend_auth(struct registry *r, const char *url);
