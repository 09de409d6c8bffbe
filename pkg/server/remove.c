/*
 * remove.c - DELETE of tags, manifests and blobs.
 *
 * What is removed is out of the repository at once; the bytes go when the collector finds that
 * nobody needs them (store/collect.h).
 */
#include "server/internal.h"

void remove_manifest(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	const struct route *route = &x->route;
	int rc = route->has_digest
			 ? store_manifest_delete(
				   store_of(x), route->repository, &route->digest, &err)
			 : store_tag_delete(store_of(x), route->repository, route->tag, &err);

	if (rc == -ERR_NOTFOUND) {
		reply_error(x, API_MANIFEST_UNKNOWN, "%s", error_text(&err));
	} else if (rc == -ERR_USAGE) {
		reply_error(x, API_UNSUPPORTED, "%s", error_text(&err));
	} else if (rc < 0) {
		reply_failure(x, &err);
	} else {
		server_changed(x->server);
		reply_empty(x, 202);
	}
}

void remove_blob(struct exchange *x)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	int rc = store_blob_unlink(store_of(x), x->route.repository, &x->route.digest, &err);

	if (rc == -ERR_NOTFOUND)
		reply_error(x, API_BLOB_UNKNOWN, "%s", error_text(&err));
	else if (rc == -ERR_USAGE) /* a manifest of the repository needs it */
		reply_error(x, API_UNSUPPORTED, "%s", error_text(&err));
	else if (rc < 0)
		reply_failure(x, &err);
	else
		reply_empty(x, 202);
}
