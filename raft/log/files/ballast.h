// raft/log/files/ballast.h: a file that takes up space, so that a node whose
// disk is full can start once more.
//
// A start removes the file if hardly more space is free (recovery.h). The
// running log makes it again once there is plenty.
#ifndef QUORATE_RAFT_LOG_FILES_BALLAST_H_
#define QUORATE_RAFT_LOG_FILES_BALLAST_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "env/env.h"
#include "raft/log/files/zero_fill.h"

namespace quorate::raft {

inline constexpr std::string_view kBallastName = "ballast";

// Makes the file in the background: soon after its construction, or when more
// than kBallastFreeFactor times its size is free. An error only delays it. It
// makes the file again if an operator removes it.
class Ballast {
 public:
  // `bytes`: size of the file; 0: none is made.
  Ballast(env::Env& env, uint64_t bytes);

 private:
  void TryAfter(Duration delay);
  // Compares the size of the file with `bytes_`.
  void Look();
  void OnOpened(absl::StatusOr<std::unique_ptr<env::File>> file);
  void CheckSpace();
  void Create();
  void GiveUp();

  env::Disk& disk_;
  env::Loop& loop_;
  const uint64_t bytes_;
  std::unique_ptr<env::File> file_;
  std::unique_ptr<ZeroFill> fill_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_FILES_BALLAST_H_
