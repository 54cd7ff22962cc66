#include "net/tls/tls_keeper.h"

#include <time.h>

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "net/event_loop/loop.h"
#include "net/testing/testing.h"
#include "net/tls/testing/made_certificates.h"

namespace quorate::net {
namespace {

constexpr int64_t kSecondsOfDay = 24 * 3600;

class TlsKeeperTest : public testing::Test {
 protected:
  int64_t now_ = time(nullptr);
  MadeCertificates made_{"kept"};
  env::CertificateFiles files_ = made_.MakeNode("quorate://1/1");
  RecordingTracer tracer_;
  EventLoop loop_;
  TlsKeeper keeper_{loop_, tracer_, files_, *TlsContext::Load(files_, now_),
                    [this] { return now_; }};
};

TEST_F(TlsKeeperTest, ChangedFiles_AreUsedSoon) {
  const auto first = keeper_.context();
  made_.MakeNode("quorate://1/1");
  RunUntil(loop_, [&] { return keeper_.context() != first; });
  EXPECT_EQ(keeper_.state().reloads, 1u);
}

TEST_F(TlsKeeperTest, WrongFile_LeavesTheEarlierOneInUse) {
  const auto first = keeper_.context();
  made_.Write(".crt", "nonsense");
  RunUntil(loop_, [&] { return keeper_.state().failed_reloads > 0; });
  EXPECT_EQ(keeper_.context(), first);
  EXPECT_TRUE(tracer_.Said("the earlier one stays: '" + files_.certificate +
                           "': expected certificates in PEM"));
  EXPECT_NE(keeper_.state().reload_error, "");
  made_.MakeNode("quorate://1/1");
  keeper_.Reload();
  EXPECT_NE(keeper_.context(), first);
  EXPECT_EQ(keeper_.state().reload_error, "");
}

TEST_F(TlsKeeperTest, OtherFiles_AreUsedOnceTheyAreGood) {
  MadeCertificates other("used");
  const env::CertificateFiles good = other.MakeNode("quorate://1/1");
  const env::CertificateFiles wrong = {good.certificate, files_.key, good.ca};
  EXPECT_FALSE(keeper_.Use(wrong).ok());
  EXPECT_EQ(keeper_.files(), files_);
  EXPECT_TRUE(keeper_.Use(good).ok());
  EXPECT_EQ(keeper_.files(), good);
}

TEST_F(TlsKeeperTest, EndThatIsNear_IsWarnedOf) {
  EXPECT_TRUE(tracer_.Said("expires in"));
  EXPECT_LE(keeper_.state().left, Seconds(20 * kSecondsOfDay));
  EXPECT_GT(keeper_.state().left, Seconds(19 * kSecondsOfDay));
  now_ += 25 * kSecondsOfDay;
  EXPECT_LT(keeper_.state().left, Duration());
}

TEST_F(TlsKeeperTest, FailedHandshakes_AreCountedAndLoggedNowAndThen) {
  for (int i = 0; i < 3; ++i) {
    keeper_.CountHandshake(absl::UnavailableError("no reason"));
  }
  keeper_.CountHandshake(absl::OkStatus());
  EXPECT_EQ(keeper_.state().handshakes, 1u);
  EXPECT_EQ(keeper_.state().failed_handshakes, 3u);
  int lines = 0;
  for (const std::string& line : tracer_.lines) {
    lines += line.find("no reason") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(lines, 1);
}

}  // namespace
}  // namespace quorate::net
