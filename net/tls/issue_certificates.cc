#include "net/tls/issue_certificates.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "net/tls/openssl.h"

namespace quorate::net {
namespace {

constexpr int64_t kDay = 24 * 3600;
// Certificates are valid from some time before they are made: the clocks of
// machines differ.
constexpr int64_t kEarlier = 3600;
constexpr int kSerialBits = 159;

absl::Status Failed(std::string_view doing) {
  return absl::InternalError(
      absl::StrCat(std::string(doing), ": ", TakeOpenSslError()));
}

absl::Status AddExtension(X509* certificate, X509* issuer, int kind,
                          const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  X509_EXTENSION* const made =
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (made == nullptr) return Failed(OBJ_nid2sn(kind));
  const bool added = X509_add_ext(certificate, made, -1) == 1;
  X509_EXTENSION_free(made);
  return added ? absl::OkStatus() : Failed(OBJ_nid2sn(kind));
}

// The text of a list of alternative names, in the syntax of OpenSSL.
absl::StatusOr<std::string> NamesOf(const CertificateWish& wish) {
  std::string names = wish.uri.empty() ? "" : absl::StrCat("URI:", wish.uri);
  for (const std::string& host : wish.hosts) {
    // A comma would begin another name.
    const bool plain = std::ranges::all_of(host, [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '.' || c == '-' || c == ':' ||
             c == '*';
    });
    if (!plain || host.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected the name or the IP address of a host, found '", host, "'"));
    }
    ASN1_OCTET_STRING* const ip = a2i_IPADDRESS(host.c_str());
    absl::StrAppend(&names, names.empty() ? "" : ",",
                    ip == nullptr ? "DNS:" : "IP:", host);
    ASN1_OCTET_STRING_free(ip);
  }
  TakeOpenSslError();
  return names;
}

// A certificate of `key` with everything but extensions and signature.
OpenSsl<X509> Draft(const CertificateWish& wish, EVP_PKEY* key,
                    const X509_NAME* issuer) {
  OpenSsl<X509> draft(X509_new());
  CHECK(draft != nullptr);
  CHECK_EQ(X509_set_version(draft.get(), X509_VERSION_3), 1);
  BIGNUM* const serial = BN_new();
  CHECK(serial != nullptr);
  CHECK_EQ(BN_rand(serial, kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY),
           1);
  CHECK(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(draft.get())) !=
        nullptr);
  BN_free(serial);
  CHECK(ASN1_TIME_set(X509_getm_notBefore(draft.get()), wish.now - kEarlier) !=
        nullptr);
  CHECK(ASN1_TIME_set(X509_getm_notAfter(draft.get()),
                      wish.now + wish.days * kDay) != nullptr);
  X509_NAME* const subject = X509_get_subject_name(draft.get());
  CHECK_EQ(X509_NAME_add_entry_by_txt(
               subject, "CN", MBSTRING_UTF8,
               reinterpret_cast<const unsigned char*>(wish.common_name.data()),
               static_cast<int>(wish.common_name.size()), -1, 0),
           1);
  CHECK_EQ(
      X509_set_issuer_name(draft.get(), issuer == nullptr ? subject : issuer),
      1);
  CHECK_EQ(X509_set_pubkey(draft.get(), key), 1);
  return draft;
}

std::string TakeText(BIO* bio) {
  const char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  return std::string(bytes, static_cast<size_t>(size));
}

// Signs the draft and writes both as PEM.
absl::StatusOr<IssuedCertificate> Finish(X509* draft, EVP_PKEY* key,
                                         EVP_PKEY* signer) {
  if (X509_sign(draft, signer, EVP_sha256()) == 0) return Failed("signing");
  const OpenSsl<BIO> certificate(BIO_new(BIO_s_mem()));
  const OpenSsl<BIO> private_key(BIO_new(BIO_s_mem()));
  CHECK(certificate != nullptr && private_key != nullptr);
  CHECK_EQ(PEM_write_bio_X509(certificate.get(), draft), 1);
  CHECK_EQ(PEM_write_bio_PKCS8PrivateKey(private_key.get(), key, nullptr,
                                         nullptr, 0, nullptr, nullptr),
           1);
  return IssuedCertificate{.certificate = TakeText(certificate.get()),
                           .key = TakeText(private_key.get())};
}

using Extension = std::pair<int, std::string>;

absl::Status AddExtensions(X509* certificate, X509* issuer,
                           const std::vector<Extension>& extensions) {
  for (const auto& [kind, value] : extensions) {
    if (value.empty()) continue;
    absl::Status added = AddExtension(certificate, issuer, kind, value);
    if (!added.ok()) return added;
  }
  return absl::OkStatus();
}

absl::Status CheckName(const std::string& name) {
  // X.520: a common name has at most so many characters.
  constexpr size_t kNameMax = 64;
  if (!name.empty() && name.size() <= kNameMax) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected a name of 1 to ", kNameMax, " bytes, found '", name, "'"));
}

}  // namespace

absl::StatusOr<IssuedCertificate> MakeAuthority(const CertificateWish& wish) {
  if (absl::Status named = CheckName(wish.common_name); !named.ok()) {
    return named;
  }
  const OpenSsl<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("making a key");
  const OpenSsl<X509> draft = Draft(wish, key.get(), nullptr);
  absl::Status added =
      AddExtensions(draft.get(), draft.get(),
                    {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                     {NID_key_usage, "critical,keyCertSign,cRLSign"},
                     {NID_subject_key_identifier, "hash"}});
  if (!added.ok()) return added;
  return Finish(draft.get(), key.get(), key.get());
}

absl::StatusOr<IssuedCertificate> IssueCertificate(
    const IssuedCertificate& authority, const CertificateWish& wish) {
  if (absl::Status named = CheckName(wish.common_name); !named.ok()) {
    return named;
  }
  const absl::StatusOr<std::string> names = NamesOf(wish);
  if (!names.ok()) return names.status();
  const OpenSsl<STACK_OF(X509)> signers =
      ParseCertificates(authority.certificate);
  const OpenSsl<BIO> in(BIO_new_mem_buf(
      authority.key.data(), static_cast<int>(authority.key.size())));
  const auto no_password = [](char*, int, int, void*) { return -1; };
  const OpenSsl<EVP_PKEY> signer(
      PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
  X509* const issuer = sk_X509_value(signers.get(), 0);
  if (issuer == nullptr || signer == nullptr ||
      X509_check_private_key(issuer, signer.get()) != 1) {
    TakeOpenSslError();
    return absl::InvalidArgumentError(
        "expected the certificate of an authority and its key, in PEM");
  }
  const OpenSsl<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("making a key");
  const OpenSsl<X509> draft =
      Draft(wish, key.get(), X509_get_subject_name(issuer));
  const int64_t end = std::min(SecondsOf(X509_get0_notAfter(draft.get())),
                               SecondsOf(X509_get0_notAfter(issuer)));
  CHECK(ASN1_TIME_set(X509_getm_notAfter(draft.get()), end) != nullptr);
  absl::Status added =
      AddExtensions(draft.get(), issuer,
                    {{NID_basic_constraints, "critical,CA:FALSE"},
                     {NID_key_usage, "critical,digitalSignature"},
                     {NID_ext_key_usage,
                      wish.server ? "serverAuth,clientAuth" : "clientAuth"},
                     {NID_subject_alt_name, *names},
                     {NID_subject_key_identifier, "hash"},
                     {NID_authority_key_identifier, "keyid:always"}});
  if (!added.ok()) return added;
  return Finish(draft.get(), key.get(), signer.get());
}

}  // namespace quorate::net
