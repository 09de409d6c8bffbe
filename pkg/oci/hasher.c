/* The context of OpenSSL's EVP layer lives as long as the hasher: a reset allocates nothing. */
#include "oci/hasher.h"

#include <assert.h>
#include <openssl/evp.h>

#include "util/mem.h"

struct hasher {
	EVP_MD_CTX *ctx;
	enum digest_algo algo;
};

static const EVP_MD *evp_of(enum digest_algo algo)
{
	return algo == DIGEST_SHA512 ? EVP_sha512() : EVP_sha256();
}

int hasher_reset(struct hasher *h, enum digest_algo algo, struct error *err)
{
	if (!EVP_DigestInit_ex(h->ctx, evp_of(algo), NULL))
		return error_set(err,
			ERR_IO,
			"%s refused by the crypto library",
			algo == DIGEST_SHA512 ? "sha512" : "sha256");
	h->algo = algo;
	return 0;
}

int hasher_new(enum digest_algo algo, struct hasher **ret, struct error *err)
{
	AUTO(hasher_freep) struct hasher *h = xcalloc(1, sizeof(*h));
	int rc;

	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx)
		return error_set(err, ERR_NOMEM, "no memory for a hash");
	rc = hasher_reset(h, algo, err);
	if (rc < 0)
		return rc;
	*ret = steal(&h);
	return 0;
}

void hasher_free(struct hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

/*
 * After a successful init neither of these can fail: sha256 and sha512 work in
 * the context's own memory.  A failure would be a use after finish.
 */
void hasher_update(struct hasher *h, const void *data, size_t len)
{
	int ok = EVP_DigestUpdate(h->ctx, data, len);

	assert(ok);
	(void)ok;
}

struct digest hasher_finish(struct hasher *h)
{
	struct digest d = {.algo = h->algo};
	int ok = EVP_DigestFinal_ex(h->ctx, d.raw, NULL);

	assert(ok);
	(void)ok;
	return d;
}

int hasher_peek(const struct hasher *h, struct digest *ret, struct error *err)
{
	struct digest d = {.algo = h->algo};
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	bool ok = copy && EVP_MD_CTX_copy_ex(copy, h->ctx) && EVP_DigestFinal_ex(copy, d.raw, NULL);

	EVP_MD_CTX_free(copy);
	if (!ok)
		return error_set(err, ERR_NOMEM, "no memory for a hash");
	*ret = d;
	return 0;
}
