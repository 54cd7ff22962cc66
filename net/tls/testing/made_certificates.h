// net/tls/testing/made_certificates.h: certificates of tests, in files of the
// test's own directory.
#ifndef QUORATE_NET_TLS_TESTING_MADE_CERTIFICATES_H_
#define QUORATE_NET_TLS_TESTING_MADE_CERTIFICATES_H_

#include <time.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "env/byte_streams.h"
#include "gtest/gtest.h"
#include "net/tls/issue_certificates.h"
#include "net/tls/tls_context.h"

namespace quorate::net {

// An authority, and what it signs.
class MadeCertificates {
 public:
  // `name`: of the files, each of which may be made once more.
  explicit MadeCertificates(const std::string& name)
      : base_(testing::TempDir() + "/" + name),
        authority_(*MakeAuthority(
            {.common_name = name, .now = time(nullptr), .days = 30})) {
    Write("-ca.crt", authority_.certificate);
  }

  // The files of a new certificate, in place of those of the one before.
  env::CertificateFiles Make(CertificateWish wish) {
    if (wish.now == 0) wish.now = time(nullptr);
    if (wish.days == 0) wish.days = 20;
    const IssuedCertificate made = *IssueCertificate(authority_, wish);
    return {.certificate = Write(".crt", made.certificate),
            .key = Write(".key", made.key),
            .ca = base_ + "-ca.crt"};
  }
  env::CertificateFiles MakeNode(const std::string& uri) {
    return Make({.common_name = "node", .uri = uri, .server = true});
  }
  // A context with a new certificate.
  std::shared_ptr<const TlsContext> Load(const CertificateWish& wish) {
    return *TlsContext::Load(Make(wish), time(nullptr));
  }
  std::shared_ptr<const TlsContext> LoadNode(const std::string& uri) {
    return Load({.common_name = "node", .uri = uri, .server = true});
  }
  const IssuedCertificate& authority() const { return authority_; }

  // Writes a file with this ending, and returns its path.
  std::string Write(const std::string& ending, const std::string& text) {
    const std::string path = base_ + ending;
    std::FILE* const file = std::fopen((path + ".new").c_str(), "w");
    EXPECT_NE(file, nullptr);
    EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), file), text.size());
    EXPECT_EQ(std::fclose(file), 0);
    std::filesystem::rename(path + ".new", path);
    return path;
  }

 private:
  const std::string base_;
  const IssuedCertificate authority_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TLS_TESTING_MADE_CERTIFICATES_H_
