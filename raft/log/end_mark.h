// raft/log/end_mark.h: the end mark of a log: a small file of its own that
// names a place of the log before which everything is durable. Format:
// docs/reference/formats/log.md.
//
// A log that lost its end has no record that covers the loss. The mark is in
// another file, so a start can compare the two.
#ifndef QUORATE_RAFT_LOG_END_MARK_H_
#define QUORATE_RAFT_LOG_END_MARK_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/time.h"
#include "raft/log/record.h"

namespace quorate::raft {

inline constexpr std::string_view kEndMarkName = "log.end";
// Less than a sector, so no crash tears it.
inline constexpr size_t kEndMarkBytes = 32;

std::string EncodeEndMark(ClusterId cluster, StoreIncarnation store,
                          SegmentOffset end);
// Returns segment 0 for an empty file and for zeros: no mark was written yet.
// kDataLoss: the bytes are damaged, or of another store.
absl::StatusOr<SegmentOffset> DecodeEndMark(ClusterId cluster,
                                            StoreIncarnation store,
                                            std::string_view bytes);

// Writes the mark while the log runs. A failure is logged once, and ends the
// writing: the file then names an earlier place, which is true as well. The
// log itself goes on.
class EndMarkWriter {
 public:
  // `env` outlives the object. `delay`: while the log is busy, its mark is
  // written once in so much time. `idle` is called when the file names the
  // place of the last Write, or the writing has ended.
  EndMarkWriter(env::Env& env, ClusterId cluster, StoreIncarnation store,
                Duration delay, env::Callback idle);

  // Everything before `end` is durable, and `end` is behind a record of a
  // group. The file names it within the delay.
  void Note(SegmentOffset end);
  // Writes the noted place now.
  void Write();
  // The file does not name the place of the last Write yet.
  bool writing() const { return writing_; }

 private:
  void OnOpened(absl::StatusOr<std::unique_ptr<env::File>> file);
  void WriteNoted();
  void OnWritten(const absl::Status& status);
  void GiveUp(const absl::Status& why);

  env::Disk& disk_;
  env::Loop& loop_;
  env::Tracer& tracer_;
  const ClusterId cluster_;
  const StoreIncarnation store_;
  const Duration delay_;
  env::Callback idle_;
  SegmentOffset noted_;
  SegmentOffset written_;  // Or being written.
  bool writing_ = false;
  bool again_ = false;  // Write was called meanwhile.
  bool given_up_ = false;
  bool timer_set_ = false;
  env::Pending timer_;
  std::unique_ptr<env::File> file_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_END_MARK_H_
