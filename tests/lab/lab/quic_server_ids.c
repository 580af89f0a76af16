// Makes gtlsserver (Debian's ngtcp2-server), which knows nothing of QUIC-LB, choose connection IDs
// that carry a server ID: preloaded, it takes the place of gnutls_rnd(), by which gtlsserver draws
// its connection IDs of 18 bytes. All other random numbers come from GnuTLS.
//
// Form: one AES-128 block of server ID and nonce behind the first octet, one random byte behind that.
// Environment: QUIC_LB_CONFIG_ID, QUIC_LB_SERVER_ID and QUIC_LB_KEY (hexadecimal).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kCidBytes = 18, kBlockBytes = 16 };

static size_t from_hex(const char *text, unsigned char *bytes, size_t room) {
  size_t count = 0;
  while (count < room && sscanf(text + 2 * count, "%2hhx", &bytes[count]) == 1) ++count;
  return count;
}

static void put_server_id(unsigned char *cid) {
  unsigned char key[kBlockBytes], encrypted[kBlockBytes];
  int length = 0;
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  const char *server_id = getenv("QUIC_LB_SERVER_ID"), *key_text = getenv("QUIC_LB_KEY");
  const char *config_id = getenv("QUIC_LB_CONFIG_ID");
  if (context == NULL || server_id == NULL || key_text == NULL || config_id == NULL) abort();
  if (from_hex(key_text, key, sizeof(key)) != sizeof(key)) abort();
  cid[0] = (unsigned char)(atoi(config_id) << 5 | (cid[0] & 0x1f));
  from_hex(server_id, cid + 1, kBlockBytes);
  if (EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), NULL, key, NULL) != 1 ||
      EVP_EncryptUpdate(context, encrypted, &length, cid + 1, kBlockBytes) != 1) {
    abort();
  }
  memcpy(cid + 1, encrypted, kBlockBytes);
  EVP_CIPHER_CTX_free(context);
}

int gnutls_rnd(int level, void *data, size_t bytes) {
  int (*real)(int, void *, size_t) = (int (*)(int, void *, size_t))dlsym(RTLD_NEXT, "gnutls_rnd");
  const int result = real(level, data, bytes);
  if (result == 0 && bytes == kCidBytes) put_server_id(data);
  return result;
}
