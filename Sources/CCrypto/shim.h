#ifndef SPOT_OPTIMIZER_CCRYPTO_SHIM_H
#define SPOT_OPTIMIZER_CCRYPTO_SHIM_H

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

/* EVP_RSA_gen is a macro over a variadic function, which Swift cannot import. */
static inline EVP_PKEY *spot_rsa_generate(size_t bits) { return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits); }

/* Without a callback libcrypto asks the terminal for the pass phrase of an encrypted file; a service must fail instead. */
static inline int spot_no_passphrase(char *buffer, int size, int writing, void *context) {
  (void)buffer;
  (void)size;
  (void)writing;
  (void)context;
  return -1;
}

static inline EVP_PKEY *spot_read_private_key(const void *pem, int length) {
  BIO *bio = BIO_new_mem_buf(pem, length);
  if (bio == NULL) return NULL;
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, spot_no_passphrase, NULL);
  BIO_free(bio);
  return key;
}

/* BIO_get_mem_data is a macro. `*data` belongs to the BIO. */
static inline long spot_bio_data(BIO *bio, char **data) { return BIO_get_mem_data(bio, data); }

static inline int spot_is_rsa(const EVP_PKEY *key) { return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA; }

#endif
