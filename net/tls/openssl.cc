#include "net/tls/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <time.h>

#include <string_view>

#include "env/check.h"

namespace quorate::net {

std::string TakeOpenSslError() {
  const unsigned long error = ERR_peek_error();
  const char* const reason =
      ERR_SYSTEM_ERROR(error) ? nullptr : ERR_reason_error_string(error);
  std::string text = reason == nullptr ? "unknown reason" : reason;
  ERR_clear_error();
  return text;
}

OpenSsl<STACK_OF(X509)> ParseCertificates(const std::string& pem) {
  const OpenSsl<BIO> in(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  OpenSsl<STACK_OF(X509)> certificates(sk_X509_new_null());
  CHECK(in != nullptr && certificates != nullptr);
  while (X509* const one =
             PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
    CHECK(sk_X509_push(certificates.get(), one) > 0);
  }
  // The text ends where no further certificate begins.
  const unsigned long error = ERR_peek_last_error();
  const bool complete = ERR_GET_LIB(error) == ERR_LIB_PEM &&
                        ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!complete) certificates.reset(sk_X509_new_null());
  return certificates;
}

std::string NameOf(const X509* certificate) {
  const OpenSsl<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
    const std::string_view text(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
        static_cast<size_t>(ASN1_STRING_length(uri)));
    if (text.starts_with("quorate://")) return std::string(text);
  }
  return "";
}

int64_t SecondsOf(const ASN1_TIME* time) {
  tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return timegm(&parts);
}

}  // namespace quorate::net
