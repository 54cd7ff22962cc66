// net/tls/tls_keeper.h: the certificate that a process uses now, replaced while
// it runs when its files change.
#ifndef QUORATE_NET_TLS_TLS_KEEPER_H_
#define QUORATE_NET_TLS_TLS_KEEPER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "env/byte_streams.h"
#include "env/loop.h"
#include "env/pending.h"
#include "env/tracer.h"

namespace quorate::net {

class TlsContext;

// New files are checked before they are used. If one is wrong, everything stays
// as it was, and one log line says why. Connections keep the certificate that
// they began with.
class TlsKeeper final : public env::Certificates {
 public:
  // Time between two looks at the files.
  static constexpr Duration kLook = Seconds(3);
  // At most one log line about a handshake that failed in this time.
  static constexpr Duration kLogPause = Seconds(5);
  // A certificate that ends within this time is worth a warning each day.
  static constexpr Duration kLowLeft = Seconds(30 * 24 * 3600);

  // Seconds since 1970.
  using WallSeconds = std::function<int64_t()>;
  // `first` was loaded from `files`.
  TlsKeeper(env::Loop& loop, env::Tracer& tracer, env::CertificateFiles files,
            std::shared_ptr<const TlsContext> first, WallSeconds wall_seconds);
  TlsKeeper(const TlsKeeper&) = delete;
  TlsKeeper& operator=(const TlsKeeper&) = delete;

  std::shared_ptr<const TlsContext> context() const { return context_; }
  // Reads the files again.
  void Reload();
  // Counts a handshake; logs its error, which names the peer.
  void CountHandshake(const absl::Status& status);

  env::CertificateState state() const override;
  const env::CertificateFiles& files() const override { return files_; }
  absl::Status Use(const env::CertificateFiles& files) override;

 private:
  // Calls LookAtFiles in kLook.
  void LookLater();
  void LookAtFiles();
  void WarnOfEnd();

  env::Loop& loop_;
  env::Tracer& tracer_;
  const WallSeconds wall_seconds_;
  env::CertificateFiles files_;
  std::shared_ptr<const TlsContext> context_;
  // The sizes and times of the files at the last look. They differ if one has
  // changed.
  std::string seen_;
  env::CertificateState state_;
  env::Pending next_look_;
  MonoTime log_from_ = MonoTime::Min();
  uint64_t unlogged_ = 0;
  MonoTime warn_from_ = MonoTime::Min();
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TLS_TLS_KEEPER_H_
