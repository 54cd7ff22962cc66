// Heartbeats, the pulses that stand in for them, and groups that are quiet
// (docs/decisions/0062).
#include <algorithm>
#include <utility>

#include "env/check.h"
#include "env/random.h"
#include "raft/core/core_impl.h"
#include "raft/core/quorum.h"

namespace quorate::raft {

// ---- Heartbeats.

void Core::Impl::SendHeartbeat(Progress& member) {
  Message message = NewMessage(MessageType::kHeartbeat, member.replica());
  message.commit = std::min(commit_, member.match());
  message.read_round = leader_role().read_round;
  message.quiet = quiet();
  message.lost_entries = member.lost_durable();
  message.log_time = PresentLogTime();
  if (CanServeReads()) {
    message.log_time_base = LogTimeBase();
    if (log_.configuration().lease_length > Duration()) {
      message.sent = now_.mono;
    }
  }
  member.CommitSent(message.commit);
  Send(std::move(message));
}

// Heartbeats are at multiples of the interval. All groups that a node leads
// therefore send them in one turn, and the host sends one message to each peer.
MonoTime Core::Impl::NextHeartbeat() const {
  const int64_t interval = options_->heartbeat_interval.ns();
  return MonoTime(0) + Nanoseconds((now_.mono.ns() / interval + 1) * interval);
}

void Core::Impl::BroadcastHeartbeats() {
  Leader& leader = leader_role();
  const bool idle = IsIdle();
  Wake();
  if (idle) {
    leader.quiet_from = now_.mono;
    leader.quiet_base = LogTimeBase();
  }
  leader.heartbeat_at = NextHeartbeat();
  if (idle) {  // Leaves time for the replies.
    leader.heartbeat_at = leader.heartbeat_at + options_->heartbeat_interval;
  }
  for (Progress& member : leader.members) {
    SendHeartbeat(member);
    if (member.catch_up().read == Progress::CatchUp::Read::kFailed) {
      member.catch_up().read = Progress::CatchUp::Read::kNone;
      leader.send_due = true;
    }
  }
}

// Whether the member has everything, and wants what comes.
bool Core::Impl::IsSettled(const Progress& member) const {
  return member.state() == Progress::State::kReplicate &&
         member.match() == log_.last().index && !member.wants_no_entries() &&
         member.known_level() != Level();
}

// A reply of this term. A member that was without contact may have been left
// behind by a quiet group.
void Core::Impl::OnContact(Progress& member) {
  if (member.retry_at() != MonoTime::Max()) {
    member.set_retry_at(
        std::min(member.retry_at(), now_.mono + options_->retry_interval));
  }
  member.RecordReply(now_.mono);
  if (quiet() && !IsSettled(member)) Wake();
}

// Everything that a later heartbeat could carry has arrived. A member without
// contact does not count: its new link, its election timeout or its reply wakes
// the leader when it is back.
bool Core::Impl::IsIdle() const {
  const Leader& leader = leader_role();
  const Index last = log_.last().index;
  if (context_.gate == nullptr || leader.transfer || applied_ != last ||
      durable_ != last || !CanServeReads() ||
      !log_.configuration().outgoing_voters.empty() ||
      now_.mono - QuorumContact() > options_->election_timeout_min ||
      !context_.gate->MayBeQuiet() || Fires("raft.not_quiet")) {
    return false;
  }
  for (const Progress& member : leader.members) {
    if (IsInactive(member)) continue;
    if (member.tied_from() == MonoTime::Max() || !IsSettled(member) ||
        now_.mono - LastContact(member) > options_->election_timeout_min) {
      return false;
    }
  }
  return true;
}

void Core::Impl::Wake() {
  Leader* leader = LeaderOrNull();
  if (leader == nullptr || !quiet()) return;
  leader->quiet_from = MonoTime::Max();
  leader->heartbeat_at = NextHeartbeat();
}

// The quiet lasts if every member has answered the heartbeat that began it. No
// other one follows then.
bool Core::Impl::StaysQuiet() {
  Leader& leader = leader_role();
  if (!quiet()) return false;
  for (const Progress& member : leader.members) {
    if (member.last_contact() < leader.quiet_from && !IsInactive(member)) {
      return false;
    }
  }
  leader.heartbeat_at = MonoTime::Max();
  return true;
}

void Core::Impl::OnHeartbeat(const Message& message) {
  if (!AcceptLeader(message)) return;
  known_log_time_ = std::max(known_log_time_, message.log_time);
  // It is true for ever, also if the message is old: no other replica has this
  // id.
  if (message.lost_entries) return Emit(Event::Kind::kLostEntries);
  Follower& follower = std::get<Follower>(role_);
  follower.quiet = message.quiet && context_.gate != nullptr;
  follower.log_time_base = message.log_time_base;
  if (message.commit > log_.last().index && !installing()) {
    DropInvalid();  // It names an entry that was never acknowledged here.
  } else {
    FollowerCommit(message.commit, message.commit);
  }
  Message reply = NewMessage(MessageType::kHeartbeatReply, message.from);
  reply.read_round = message.read_round;
  if (!ClockIsWrong()) reply.sent = message.sent;
  reply.log_time = message.log_time;
  reply.known_level = context_.known_level;
  Send(std::move(reply));
}

void Core::Impl::OnHeartbeatReply(const Message& message) {
  Leader* leader = LeaderOrNull();
  Progress* member = leader == nullptr ? nullptr : FindMember(message.from);
  if (member == nullptr) return;
  if (message.read_round > leader->read_round || message.sent > now_.mono ||
      message.log_time > known_log_time_) {
    DropInvalid();
    return;
  }
  OnContact(*member);
  member->RecordAnswer(message.sent, message.log_time);
  TakeWish(message, *member);
  member->ConfirmReadRound(message.read_round);
  member->RecordKnownLevel(message.known_level);
  ConfirmRound();
}

// ---- Pulses.

// The last message of the member, or the last pulse of its node.
MonoTime Core::Impl::LastContact(const Progress& member) const {
  return std::max(member.last_contact(), PulseOf(member).heard);
}

MemberPulse Core::Impl::PulseOf(const Progress& member) const {
  if (context_.gate == nullptr || member.tied_from() == MonoTime::Max()) {
    return {};
  }
  return context_.gate->PulseOfMember(member.replica(), member.tied_from());
}

// Its pulses stay true.
void Core::Impl::Untie(Progress& member) {
  const MemberPulse pulse = PulseOf(member);
  if (GrantsLease(pulse)) member.RecordAnswer(pulse.sent, WallTime());
  member.Untie(std::max(member.last_contact(), pulse.heard));
}

LeaderPulse Core::Impl::PulseOf(const Follower& follower) const {
  if (context_.gate == nullptr || follower.tied_from == MonoTime::Max()) {
    return {};
  }
  return context_.gate->PulseOfLeader(follower.leader, follower.tied_from);
}

// A pulse is as good as a heartbeat. The leader's log time was not less when
// the pulse was sent: the monotonic clock alone moves it as far (NextLogTime).
void Core::Impl::TakePulse() {
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr) return;
  const LeaderPulse pulse = PulseOf(*follower);
  if (pulse.heard <= follower->last_contact) return;
  follower->last_contact = pulse.heard;
  SetElectionTimer(pulse.heard);
  Promise(pulse.heard);
  known_log_time_ =
      std::max(known_log_time_,
               LogTimeAt(follower->log_time_base, pulse.sent, pulse.wall));
}

WallTime Core::Impl::LogTimeAt(WallTime base, MonoTime sent, WallTime wall) {
  if (base == WallTime::Min()) return WallTime();
  const WallTime by_clock = base + (sent - MonoTime(0));
  return wall == WallTime::Min() ? by_clock : std::min(by_clock, wall);
}

WallTime Core::Impl::KnownLogTimeOf(const Progress& member) const {
  const MemberPulse pulse = PulseOf(member);
  const Leader& leader = leader_role();
  if (!quiet() || pulse.sent <= leader.quiet_from ||
      member.answered() < leader.quiet_from) {
    return member.known_log_time();
  }
  return std::max(member.known_log_time(),
                  LogTimeAt(leader.quiet_base, pulse.sent, pulse.wall));
}

// The leader ended, with its process or alone. While pulses were fresh, no
// timer of this replica looked, so all followers would campaign at once.
void Core::Impl::EndTrustInPulses() {
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || !PulseOf(*follower).ended) return;
  follower->tied_from = MonoTime::Max();
  if (now_.mono >= election_deadline_) SetElectionTimer(now_.mono);
}

// A leader looks at those of its tied members, which are a quorum with it.
bool Core::Impl::PulsesAreFresh() const {
  const auto fresh = [this](MonoTime heard) {
    return heard != MonoTime::Min() &&
           now_.mono - heard < options_->election_timeout_min;
  };
  if (const Follower* follower = std::get_if<Follower>(&role_)) {
    return fresh(PulseOf(*follower).heard);
  }
  if (!leads()) return false;
  for (const Progress& member : leader_role().members) {
    if (member.tied_from() != MonoTime::Max() &&
        !fresh(PulseOf(member).heard)) {
      return false;
    }
  }
  return QuorumValue<bool>(
      log_.configuration(), true, [this](ReplicaId replica) {
        const Progress* member = FindMember(replica);
        return replica == context_.replica ||
               (member != nullptr && member->tied_from() != MonoTime::Max());
      });
}

void Core::Impl::GetPulsePartners(std::vector<ReplicaId>* partners) const {
  partners->clear();
  if (const Follower* follower = std::get_if<Follower>(&role_)) {
    if (follower->tied_from != MonoTime::Max()) {
      partners->push_back(follower->leader);
    }
  } else if (const Leader* leader = LeaderOrNull()) {
    for (const Progress& member : leader->members) {
      if (member.tied_from() != MonoTime::Max()) {
        partners->push_back(member.replica());
      }
    }
  }
}

uint64_t Core::Impl::pulse_partners_digest() const {
  uint64_t digest = 0;
  const auto add = [&](ReplicaId partner) {
    digest = Mix64(digest ^ partner.value()) ^ hard_state_.term.value();
  };
  if (const Follower* follower = std::get_if<Follower>(&role_)) {
    if (follower->tied_from != MonoTime::Max()) add(follower->leader);
  } else if (const Leader* leader = LeaderOrNull()) {
    for (const Progress& member : leader->members) {
      if (member.tied_from() != MonoTime::Max()) add(member.replica());
    }
  }
  return digest;
}

}  // namespace quorate::raft
