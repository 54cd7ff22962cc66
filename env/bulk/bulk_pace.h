// env/bulk/bulk_pace.h: how fast a node does its bulk work, so that clients
// hardly notice it.
//
// Bulk work moves whole states: snapshots, copies of slots, entries for
// followers that lack many. It shares the loop, the processors and the disk of
// the log with the requests of clients. So all of it has one rate, between a
// floor, so that it ends, and a ceiling. While there is bulk work, the object
// measures in rounds how long others wait. The rate grows while they hardly
// wait, and falls else. The idea is that of LEDBAT (RFC 6817).
#ifndef QUORATE_ENV_BULK_BULK_PACE_H_
#define QUORATE_ENV_BULK_BULK_PACE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "env/loop.h"
#include "env/pending.h"
#include "env/time.h"

namespace quorate::env {

enum class BulkKind : uint8_t {
  kSnapshotWrite,    // Own snapshots.
  kSnapshotSend,     // Read for followers.
  kSnapshotReceive,  // Written as they come.
  kSnapshotInstall,  // Loaded into a state machine.
  kCatchUp,          // Entries that followers lack and the disk alone has.
  kSlotCopy,         // Read and sent to another group.
};
inline constexpr size_t kBulkKinds = 6;
// Such as "snapshot_write".
std::string_view BulkKindName(BulkKind kind);

// The wait that was too long in the last round, so that the rate fell.
enum class BulkBrake : uint8_t {
  kNone,
  kLoop,   // The loop: its timers fired late.
  kDisk,   // Writers of the log: durable writes took longer than without it.
  kPeers,  // Other nodes: their answers to pieces of a copy took longer.
};
// Such as "the loop"; empty for kNone.
std::string_view BulkBrakeName(BulkBrake brake);

struct BulkLimits {
  // Bytes a second. Data for followers have a higher floor while the log writes
  // much: kLogShare times its rate. Else they could fall behind for ever. Own
  // snapshots and copies of slots are hasty instead.
  uint64_t floor = 16 << 20;
  uint64_t ceiling = 1 << 30;
};

class BulkPace {
 public:
  static constexpr Duration kBeat = Milliseconds(5);
  static constexpr int kBeatsInARound = 20;
  static constexpr uint64_t kLogShare = 3;
  // The rate grows with such waits. That of a durable write counts beyond half
  // as much again as without bulk work. That of an answer counts beyond the
  // shortest one of the last minute.
  static constexpr Duration kLateMax = Milliseconds(1);
  static constexpr Duration kSlowerMax = Microseconds(200);
  static constexpr Duration kAnswerLateMax = Milliseconds(3);
  // The shortest answer counts for one to two of these.
  static constexpr Duration kBaseAge = Seconds(30);
  // The measuring ends so long after the last work.
  static constexpr Duration kIdleAfter = Seconds(1);
  // Work that could have begun so long ago may begin at once.
  static constexpr Duration kCredit = Milliseconds(4);

  // `loop` outlives the object.
  BulkPace(Loop& loop, const BulkLimits& limits);
  BulkPace(const BulkPace&) = delete;
  BulkPace& operator=(const BulkPace&) = delete;

  // The time from which so many bytes may be worked on; they count as worked
  // on. A caller asks for one piece at a time, and for the next one behind it.
  // `haste`: how many times as fast as other work this goes, at least 1.
  MonoTime Reserve(BulkKind kind, uint64_t bytes, uint64_t haste = 1);

  // A durable write of so many bytes of the log has taken so long.
  void OnLogWrite(Duration took, uint64_t bytes);
  // Another node has answered a piece after so long.
  void OnAnswer(Duration took);

  // The rate of data for followers. Other kinds may have less.
  uint64_t bytes_per_second() const { return std::max(rate_, log_floor_); }
  // Bytes since the start.
  uint64_t done(BulkKind kind) const {
    return done_[static_cast<size_t>(kind)];
  }
  // kNone without bulk work, too.
  BulkBrake brake() const { return brake_; }

 private:
  static constexpr uint64_t kFirstRate = 32 << 20;
  static constexpr Duration kLongest = Seconds(60);

  // Waits of one kind in the present round.
  class Waits {
   public:
    void Add(Duration wait) {
      sum_ns_ += wait.ns();
      ++count_;
    }
    bool empty() const { return count_ == 0; }
    Duration mean() const {
      return Nanoseconds(empty() ? 0 : sum_ns_ / count_);
    }

   private:
    int64_t sum_ns_ = 0;
    int64_t count_ = 0;
  };
  struct Round {
    int beats = 0;
    Waits late;
    Waits writes;
    Waits answers;  // Without the shortest one.
    uint64_t log_bytes = 0;
    bool rate_waits = false;  // Some work waited for the rate.
  };

  uint64_t Bounded(uint64_t rate) const;
  bool beats() const { return beat_at_ != MonoTime::Max(); }
  // The first write is usual, later ones count for one of so many parts.
  void LearnWrite(Duration took, int64_t parts);
  void SetBeat(MonoTime now);
  void OnBeat();
  BulkBrake BrakeOf(const Round& round) const;
  void EndRound();

  Loop& loop_;
  const BulkLimits limits_;
  uint64_t rate_;
  // Of the last round, within the limits.
  uint64_t log_floor_ = 0;
  // From when the last bytes may be worked on.
  MonoTime next_ = MonoTime::Min();
  std::array<uint64_t, kBulkKinds> done_ = {};
  Round round_;
  BulkBrake brake_ = BulkBrake::kNone;
  // A durable write without bulk work, in the mean. A round with bulk work
  // counts little, so that another load is usual after some time. Zero: not
  // known.
  Duration usual_write_;
  // The shortest answers of the present time and of the one before.
  std::array<Duration, 2> shortest_ = {kLongest, kLongest};
  MonoTime shortest_ends_ = MonoTime::Min();
  MonoTime beats_until_ = MonoTime::Min();
  MonoTime beat_at_ = MonoTime::Max();
  Pending beat_;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_BULK_BULK_PACE_H_
