// raft/log/read_attempts.h: how often a read of a snapshot's file is tried.
//
// A lack of descriptors or of memory passes, and an operator can correct the
// owner of a file. Bytes that do not verify, or that the disk cannot read,
// mostly stay so. An error that may pass never means that data are lost,
// however long it lasts. Pure.
#ifndef QUORATE_RAFT_LOG_READ_ATTEMPTS_H_
#define QUORATE_RAFT_LOG_READ_ATTEMPTS_H_

#include "absl/status/status.h"
#include "env/time.h"

namespace quorate::raft {

// The attempts at one read, or at consecutive reads of one file. Example:
//
//   if (attempts.MayRepeat(status)) pending = loop.At(now + kPause, ...);
class ReadAttempts {
 public:
  // The pause before the next attempt.
  static constexpr Duration kPause = Milliseconds(500);
  // Attempts while the error may pass, and those at damaged bytes.
  static constexpr int kAttemptsMax = 20;
  static constexpr int kDamagedAttemptsMax = 3;

  // Counts an attempt that failed with `error`. Returns whether another one
  // follows.
  bool MayRepeat(const absl::Status& error) {
    return ++failed_ < (MayPass(error) ? kAttemptsMax : kDamagedAttemptsMax);
  }
  static bool MayPass(const absl::Status& error) {
    return absl::IsUnavailable(error) || absl::IsResourceExhausted(error) ||
           absl::IsPermissionDenied(error);
  }
  // The read succeeded, or another one begins.
  void Reset() { failed_ = 0; }

 private:
  int failed_ = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_READ_ATTEMPTS_H_
