// raft/log/recovery.h: opens the log: finds the chain of segments, replays it,
// and rewrites records that may not be durable.
//
// Recovery writes only into a new segment. It copies the unconfirmed records
// (at most the last durable write) there. The header of the new segment cuts
// the segment before at the offset of those records. A torn tail, or a page
// that a failed sync left only in memory, is therefore never read differently
// by a later start.
#ifndef QUORATE_RAFT_LOG_RECOVERY_H_
#define QUORATE_RAFT_LOG_RECOVERY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "raft/log/async_task.h"
#include "raft/log/end_mark.h"
#include "raft/log/files/segment_reader.h"
#include "raft/log/log.h"
#include "raft/log/log_impl.h"
#include "raft/log/record.h"
#include "raft/log/replay.h"
#include "raft/log/scan.h"
#include "raft/log/segment_opener.h"

namespace quorate::raft {

class Recovery final : public AsyncTask {
 public:
  Recovery(env::Env& env, const LogOptions& options, Log::Opened opened);

 private:
  struct FileHead {
    uint64_t bytes = 0;
    bool head_read = false;
    bool header_ok = false;
    SegmentHeader header;
  };

  void OnListed(absl::StatusOr<std::vector<std::string>> names);
  void ReadNextHead();
  void OnHead(uint64_t number, uint64_t bytes, absl::StatusOr<Buffer> head);
  void ReadEndMark();
  void OnEndMark(absl::StatusOr<Buffer> bytes);
  // Reads file `number` up to `limit`, then calls `next` with bytes_ filled.
  // `meanwhile` runs while the disk reads; its error ends the recovery.
  void ReadWhole(uint64_t number, uint64_t limit,
                 absl::AnyInvocable<void()> next,
                 absl::AnyInvocable<absl::Status()> meanwhile = nullptr);
  void OnRead(uint64_t number, absl::StatusOr<SegmentReader::Result> read);
  // Fences all groups, because the unreadable pages of the last segment, or of
  // a later one, may have held records that were acknowledged.
  void FenceForUnreadable(uint64_t number);
  // Reads pages again that could not be read, and one that could. If the disk
  // answers otherwise now, the start fails, and a later one may succeed.
  void CheckUnreadable();
  void CheckNextPage();
  void FindLast();
  void OnLastCandidate();
  void BuildChain();
  // Fences all groups if the log ends before the mark.
  void CompareWithEndMark();
  // Reads the next segment of the chain. Meanwhile it replays the one before,
  // which is read_.
  void ReplayNext();
  // Replays read_, if there is one.
  absl::Status ReplayRead();
  void OnReplayed(absl::Status status);
  bool InChain(uint64_t number) const;
  // Removes files that no recovery needs, before anything is written.
  void RemoveLeftovers();
  // Removes snapshots that were being received if the disk is nearly full, and
  // the ballast if it is full.
  void CheckSpace();
  void GiveUpReceived();
  void GiveUpBallast(const std::string& why);
  // Creates the file of the end mark if there is none. The opening of the new
  // segment syncs the directory.
  void CreateEndMark();
  void BeginSegment();
  void OnSegment(absl::StatusOr<SegmentOpener::Opened> opened);
  // Fills state_ with the groups. `copies`: the places of the unconfirmed
  // records.
  void PlaceEntries(const std::vector<ByteRange>& copies);
  void Finish(SegmentOpener::Opened opened);
  void Fail(absl::Status status);

  env::Env& env_;
  const LogOptions options_;
  Log::Opened opened_;
  env::Pending pending_;

  bool has_end_mark_ = false;
  // Everything before it was durable. Segment 0: it is not known.
  SegmentOffset end_mark_;
  std::map<uint64_t, FileHead> files_;
  std::vector<uint64_t> heads_left_;
  // Candidates for the last segment, the newest at the back.
  std::vector<uint64_t> candidates_;
  std::unique_ptr<env::File> file_;
  std::unique_ptr<SegmentReader> reader_;
  Buffer bytes_;
  absl::AnyInvocable<void()> next_;

  struct Page {
    SegmentOffset place;
    bool readable = false;
  };
  // Unreadable pages by segment, the error of one of them, and reasons to fence
  // all groups.
  std::map<uint64_t, std::vector<uint64_t>> unreadable_;
  absl::Status read_error_;
  std::vector<std::string> fences_;
  SegmentOffset readable_page_;  // Segment 0: none was read yet.
  std::vector<Page> pages_left_;

  // The last segment; then the other segments of the chain, newest first, each
  // with its end.
  uint64_t last_ = 0;
  bool last_header_ok_ = false;
  Buffer last_bytes_;
  Scan last_scan_;
  uint64_t unconfirmed_from_ = 0;
  std::vector<SegmentOffset> chain_;
  // The segment of the chain that was read and is not yet replayed.
  struct ReadSegment {
    SegmentOffset place;  // Segment 0: none.
    Buffer bytes;
  };
  ReadSegment read_;
  uint64_t write_number_ = 0;
  Replay replay_;
  Replay::Result result_;
  SegmentOffset previous_;              // For the header of the new segment.
  std::vector<std::string> leftovers_;  // To be removed.
  std::vector<std::string> received_;   // To be removed if space is short.
  bool has_ballast_ = false;
  UnusedFile recycled_;  // Becomes the new segment; unnamed: none.
  UnusedFile unused_;    // Kept for the one after it; unnamed: none.
  // Older segments that are needed only if the last one is lost. No record
  // confirms that one, and its sync may have failed. They stay until the new
  // segment is durable.
  std::vector<UnusedFile> fallbacks_;
  LogState state_;
  SegmentOpening opening_;  // The new segment.
  std::unique_ptr<SegmentOpener> opener_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_RECOVERY_H_
