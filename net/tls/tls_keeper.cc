#include "net/tls/tls_keeper.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "net/tls/tls_context.h"

namespace quorate::net {
namespace {

// Differs from an earlier text if one of the files has changed since.
std::string LookAt(const env::CertificateFiles& files) {
  std::string seen;
  for (const std::string* path : {&files.certificate, &files.key, &files.ca}) {
    struct stat at = {};
    if (stat(path->c_str(), &at) != 0) at = {};
    absl::StrAppend(&seen, at.st_dev, " ", at.st_ino, " ", at.st_size, " ",
                    at.st_mtim.tv_sec, " ", at.st_mtim.tv_nsec, "\n");
  }
  return seen;
}

}  // namespace

TlsKeeper::TlsKeeper(env::Loop& loop, env::Tracer& tracer,
                     env::CertificateFiles files,
                     std::shared_ptr<const TlsContext> first,
                     WallSeconds wall_seconds)
    : loop_(loop),
      tracer_(tracer),
      wall_seconds_(std::move(wall_seconds)),
      files_(std::move(files)),
      context_(std::move(first)),
      seen_(LookAt(files_)) {
  WarnOfEnd();
  LookLater();
}

void TlsKeeper::LookLater() {
  next_look_ = loop_.At(loop_.ReadClock().mono + kLook, [this] {
    LookAtFiles();
    LookLater();
  });
}

void TlsKeeper::LookAtFiles() {
  if (LookAt(files_) != seen_) Reload();
  WarnOfEnd();
}

void TlsKeeper::Reload() { (void)Use(files_); }

absl::Status TlsKeeper::Use(const env::CertificateFiles& files) {
  // Before the read: a change during it is seen by the next look.
  std::string seen = LookAt(files);
  auto loaded = TlsContext::Load(files, wall_seconds_());
  // A wrong file is not read again before it has changed.
  if (loaded.ok() || files == files_) seen_ = std::move(seen);
  if (!loaded.ok()) {
    ++state_.failed_reloads;
    state_.reload_error = std::string(loaded.status().message());
    tracer_.Log(env::Severity::kError,
                absl::StrCat("tls: the new certificate is not used, the "
                             "earlier one stays: ",
                             state_.reload_error));
    return loaded.status();
  }
  files_ = files;
  context_ = *std::move(loaded);
  ++state_.reloads;
  state_.reload_error.clear();
  tracer_.Log(env::Severity::kInfo,
              absl::StrCat("tls: new connections use the certificate in '",
                           files_.certificate, "', valid for ",
                           state().left.ms() / (24 * 3'600'000), " days"));
  warn_from_ = MonoTime::Min();
  WarnOfEnd();
  return absl::OkStatus();
}

void TlsKeeper::WarnOfEnd() {
  const MonoTime now = loop_.ReadClock().mono;
  const Duration left = state().left;
  if (left > kLowLeft || now < warn_from_) return;
  warn_from_ = now + Seconds(24 * 3600);
  const bool over = left <= Duration();
  tracer_.Log(
      over ? env::Severity::kError : env::Severity::kWarning,
      over ? absl::StrCat("tls: the certificate in '", files_.certificate,
                          "' or an authority of it has expired")
           : absl::StrCat("tls: the certificate in '", files_.certificate,
                          "' or an authority of it expires in ",
                          left.ms() / (24 * 3'600'000), " days"));
}

void TlsKeeper::CountHandshake(const absl::Status& status) {
  if (status.ok()) {
    ++state_.handshakes;
    return;
  }
  ++state_.failed_handshakes;
  const MonoTime now = loop_.ReadClock().mono;
  if (now < log_from_) {
    ++unlogged_;
    return;
  }
  log_from_ = now + kLogPause;
  const uint64_t others = std::exchange(unlogged_, 0);
  tracer_.Log(
      env::Severity::kWarning,
      absl::StrCat("tls: no handshake: ", std::string(status.message()),
                   others == 0 ? ""
                               : absl::StrCat("; and ", others,
                                              " others since the last line")));
}

env::CertificateState TlsKeeper::state() const {
  env::CertificateState state = state_;
  state.left = Seconds(context_->not_after() - wall_seconds_());
  return state;
}

}  // namespace quorate::net
