// Reads by a lease, without a round of heartbeats.
//
// A replica that hears from its leader promises to help no other leader commit
// an entry for the lease length L of the group. The promise is in memory alone.
// It withholds no vote: the reply says how much of the promise is left. A new
// leader commits nothing before the longest promise of its voters has run out.
// YugabyteDB has the same rule.
//
// A leader with replies to heartbeats of a quorum may serve reads for L from
// the time at which it *sent* these heartbeats. Each voter promised later than
// that, and any later leader needs the vote of one of them. So no other leader
// commits an entry meanwhile.
//
// Clocks may differ in rate by the group's bound, D. A lease counts for L less
// 2D, and a promise that is left for its time and 2D more. A clock that was
// noticed to be wrong (Now::disruptions) ends leases, and promises begin again.
// A lease is shorter by the error that may go unnoticed. A node whose clock
// differs from most others by half of D has no lease, and its answers grant
// none.
//
// A read shows a log time that a majority knows. It is that of heartbeats that
// a majority has answered, or of the last committed entry. So the next leader
// does not begin before it (decision 0084). A key that is due by the leader's
// present log time alone needs an entry, which advances log time.
#include <algorithm>
#include <utility>

#include "env/check.h"
#include "raft/core/core_impl.h"
#include "raft/core/quorum.h"

namespace quorate::raft {
namespace {

// Twice the error that env::ClockWatch does not see in a window.
constexpr Duration kUnnoticed = Milliseconds(10);

Duration Fraction(Duration duration, int64_t ppm) {
  return Nanoseconds(duration.ns() / 1'000'000 * ppm +
                     duration.ns() % 1'000'000 * ppm / 1'000'000);
}

}  // namespace

Duration Core::Impl::Widened(Duration duration) const {
  return duration +
         Fraction(duration, 2 * log_.configuration().lease_drift_ppm);
}

void Core::Impl::Promise() {
  const Duration length = log_.configuration().lease_length;
  if (length == Duration()) return;
  promised_until_ = std::max(promised_until_, now_.mono + length);
}

bool Core::Impl::ClockIsWrong() const {
  return context_.gate != nullptr &&
         context_.gate->ClockDiffers(log_.configuration().lease_drift_ppm / 2);
}

Duration Core::Impl::PromiseLeft() const {
  return now_.mono < promised_until_ ? promised_until_ - now_.mono : Duration();
}

void Core::Impl::OnClockDisruption(MonoTime before) {
  Promise();
  if (Leader* leader = LeaderOrNull()) {
    leader->lease_after = now_.mono;
    if (before < leader->hold_until) {
      leader->hold_until =
          now_.mono + Widened(log_.configuration().lease_length);
    }
  } else if (Candidate* candidate = std::get_if<Candidate>(&role_)) {
    candidate->hold_until =
        std::max(candidate->hold_until,
                 now_.mono + Widened(log_.configuration().lease_length));
  }
}

MonoTime Core::Impl::LeaseEnd() const {
  const Leader& leader = leader_role();
  const Duration length = log_.configuration().lease_length;
  if (length == Duration() || !options_->lease_reads || leader.lease_released ||
      !CanServeReads() || ClockIsWrong()) {
    return MonoTime::Min();
  }
  const MonoTime sent = QuorumValue<MonoTime>(
      log_.configuration(), MonoTime::Min(), [&](ReplicaId replica) {
        if (replica == context_.replica) return now_.mono;
        const Progress* member = FindMember(replica);
        return member == nullptr ? MonoTime::Min() : member->answered();
      });
  if (sent <= leader.lease_after) return MonoTime::Min();
  return sent + length -
         Fraction(length, 2 * log_.configuration().lease_drift_ppm) -
         kUnnoticed;
}

bool Core::Impl::ReadByLease(const PendingRead& read) {
  Leader& leader = leader_role();
  const MonoTime end = LeaseEnd();
  if (now_.mono >= end || Fires("raft.read_without_lease")) return false;
  read_log_time_ = std::max(
      {read_log_time_, log_.LogTimeAt(commit_),
       QuorumValue<WallTime>(
           log_.configuration(), WallTime(), [this](ReplicaId replica) {
             if (replica == context_.replica) return PresentLogTime();
             const Progress* member = FindMember(replica);
             return member == nullptr ? WallTime() : member->known_log_time();
           })});
  known_log_time_ = std::max(known_log_time_, read_log_time_);
  present_log_time_ = std::max(present_log_time_, PresentLogTime());
  out_->lease_reads.push_back(commit_);
  AnswerRead(read, commit_);
  // A quiet group sends no heartbeat that would renew it.
  if (end - now_.mono < log_.configuration().lease_length / 2 &&
      now_.mono >= leader.ask_all_at) {
    leader.ask_all_at = now_.mono + options_->heartbeat_interval;
    BroadcastHeartbeats();
  }
  return true;
}

// The clock of this step may have been read before the request arrived, while
// the process stood still. The timer fires in a later turn.
void Core::Impl::ReadByLeaseLater(const PendingRead& read) {
  leader_role().later_reads.push_back(read);
}

void Core::Impl::TakeLaterReads() {
  for (const PendingRead& read : std::exchange(leader_role().later_reads, {})) {
    AddRead(read);
  }
}

void Core::Impl::EndHold() {
  Leader& leader = leader_role();
  if (leader.hold_until == MonoTime::Min() || now_.mono < leader.hold_until) {
    return;
  }
  leader.hold_until = MonoTime::Min();
  leader.commit_due = true;
}

}  // namespace quorate::raft
