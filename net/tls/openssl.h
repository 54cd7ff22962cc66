// net/tls/openssl.h: objects of OpenSSL with owners, its errors as text, and
// the parts of certificates that nodes read.
#ifndef QUORATE_NET_TLS_OPENSSL_H_
#define QUORATE_NET_TLS_OPENSSL_H_

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace quorate::net {

struct OpenSslFree {
  void operator()(SSL* one) const { SSL_free(one); }
  void operator()(SSL_CTX* one) const { SSL_CTX_free(one); }
  void operator()(X509* one) const { X509_free(one); }
  void operator()(SSL_SESSION* one) const { SSL_SESSION_free(one); }
  void operator()(X509_STORE* one) const { X509_STORE_free(one); }
  void operator()(X509_STORE_CTX* one) const { X509_STORE_CTX_free(one); }
  void operator()(EVP_PKEY* one) const { EVP_PKEY_free(one); }
  void operator()(BIO* one) const { BIO_free_all(one); }
  void operator()(STACK_OF(X509) * one) const {
    sk_X509_pop_free(one, X509_free);
  }
  void operator()(STACK_OF(X509_NAME) * one) const {
    sk_X509_NAME_pop_free(one, X509_NAME_free);
  }
  void operator()(GENERAL_NAMES* one) const { GENERAL_NAMES_free(one); }
};

// The owner of an object.
template <typename Object>
using OpenSsl = std::unique_ptr<Object, OpenSslFree>;

// The reason of the oldest error of this thread, such as "certificate verify
// failed". Empties the list of errors.
std::string TakeOpenSslError();

// The certificates of a PEM text, in their order. Empty if one cannot be read.
OpenSsl<STACK_OF(X509)> ParseCertificates(const std::string& pem);

// The first "quorate://…" name of the certificate; empty: it has none.
std::string NameOf(const X509* certificate);

// Seconds since 1970.
int64_t SecondsOf(const ASN1_TIME* time);

}  // namespace quorate::net

#endif  // QUORATE_NET_TLS_OPENSSL_H_
