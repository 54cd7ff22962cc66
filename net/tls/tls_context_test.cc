#include "net/tls/tls_context.h"

#include <time.h>

#include <string>

#include "gtest/gtest.h"
#include "net/tls/testing/made_certificates.h"

namespace quorate::net {
namespace {

constexpr int64_t kDay = 24 * 3600;

std::string Why(const env::CertificateFiles& files, int64_t now) {
  return std::string(TlsContext::Load(files, now).status().message());
}

class TlsContextTest : public testing::Test {
 protected:
  const int64_t now_ = time(nullptr);
  MadeCertificates made_{"made"};
};

TEST_F(TlsContextTest, GoodFiles_HaveTheirEnd) {
  const auto loaded = TlsContext::Load(made_.MakeNode("quorate://1/1"), now_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_NEAR(static_cast<double>((*loaded)->not_after()),
              static_cast<double>(now_ + 20 * kDay), 100);
}

TEST_F(TlsContextTest, CertificateThatOutlivesItsAuthority_EndsWithIt) {
  const auto loaded = TlsContext::Load(
      made_.Make({.common_name = "node", .server = true, .days = 300}), now_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_NEAR(static_cast<double>((*loaded)->not_after()),
              static_cast<double>(now_ + 30 * kDay), 100);
}

TEST_F(TlsContextTest, WrongFiles_AreNamed) {
  MadeCertificates other("other");
  const env::CertificateFiles good = made_.MakeNode("quorate://1/1");
  const env::CertificateFiles others = other.MakeNode("quorate://1/1");
  EXPECT_EQ(
      Why({good.certificate, others.key, good.ca}, now_),
      "'" + others.key + "': it is not the key of '" + good.certificate + "'");
  EXPECT_EQ(Why({good.certificate, good.key, others.ca}, now_),
            "'" + good.certificate +
                "': not accepted with the authorities of '" + others.ca +
                "': unable to get local issuer certificate");
  EXPECT_NE(Why({good.certificate, good.key, good.ca}, now_ + 21 * kDay)
                .find("certificate has expired"),
            std::string::npos);
  EXPECT_NE(Why({good.certificate, good.key, good.ca}, now_ - kDay)
                .find("not yet valid"),
            std::string::npos);
  EXPECT_EQ(Why({good.key, good.key, good.ca}, now_),
            "'" + good.key + "': expected certificates in PEM");
  EXPECT_NE(Why({good.certificate, good.ca, good.ca}, now_)
                .find("expected a private key in PEM"),
            std::string::npos);
  EXPECT_NE(Why({good.certificate, good.key + "x", good.ca}, now_)
                .find(good.key + "x"),
            std::string::npos);
  EXPECT_NE(
      Why({testing::TempDir(), good.key, good.ca}, now_).find("Is a directory"),
      std::string::npos);
  EXPECT_EQ(Why(good, now_), "");
}

TEST_F(TlsContextTest, HalfACertificate_IsRefused) {
  const env::CertificateFiles good = made_.MakeNode("quorate://1/1");
  const std::string text = *ReadPemFile(good.certificate);
  const std::string half =
      made_.Write("-half.crt", text.substr(0, text.size() / 2));
  EXPECT_EQ(Why({half, good.key, good.ca}, now_),
            "'" + half + "': expected certificates in PEM");
}

TEST(IssueCertificates, WrongWishes_AreRefused) {
  const IssuedCertificate authority =
      *MakeAuthority({.common_name = "a", .now = time(nullptr), .days = 1});
  EXPECT_FALSE(IssueCertificate(authority, {.common_name = ""}).ok());
  EXPECT_FALSE(
      IssueCertificate(authority, {.common_name = std::string(65, 'a')}).ok());
  EXPECT_FALSE(IssueCertificate(authority, {.common_name = "a",
                                            .hosts = {"a,URI:quorate://1/1"}})
                   .ok());
  EXPECT_FALSE(
      IssueCertificate({authority.key, authority.key}, {.common_name = "a"})
          .ok());
  EXPECT_TRUE(
      IssueCertificate(authority, {.common_name = "a",
                                   .hosts = {"h.example", "127.0.0.1", "::1"}})
          .ok());
}

}  // namespace
}  // namespace quorate::net
