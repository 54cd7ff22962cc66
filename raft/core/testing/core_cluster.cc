#include "raft/core/testing/core_cluster.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "raft/core/configuration.h"
#include "raft/core/quorum.h"
#include "raft/host/envelope.h"

namespace quorate::raft {
namespace {

Entry BootstrapEntry(const Configuration& configuration) {
  Entry entry;
  entry.term = Term(1);
  entry.index = Index(1);
  entry.kind = EntryKind::kConfiguration;
  entry.payload = EncodeConfiguration(configuration);
  return entry;
}

const char* RefusalText(Refused::Reason reason) {
  switch (reason) {
    case Refused::Reason::kNotLeader:
      return "not leader";
    case Refused::Reason::kTooMuchUncommitted:
    case Refused::Reason::kTooMuchUnapplied:
    case Refused::Reason::kTooMuchUnwritten:
      return "too much uncommitted";
    case Refused::Reason::kTransferInProgress:
      return "transferring";
    case Refused::Reason::kNothingCommittedInTerm:
      return "nothing committed in this term";
    case Refused::Reason::kChangeInProgress:
      return "another change is in progress";
    case Refused::Reason::kConfigurationIsNewer:
      return "the configuration is newer";
    case Refused::Reason::kConfigurationIsTheSame:
      return "no change";
    case Refused::Reason::kConfigurationIsInvalid:
      return "invalid configuration";
    case Refused::Reason::kLevelIsNotKnown:
      return "level not known";
    case Refused::Reason::kVoterHasNotCaughtUp:
      return "a voter has not caught up";
  }
  return "unknown";
}

}  // namespace

CoreCluster::CoreCluster(const Options& options) : options_(options) {
  for (uint32_t id = 1; id <= options.voters + options.learners; ++id) {
    (id <= options.voters ? configuration_.voters : configuration_.learners)
        .push_back(MemberOf(id));
  }
  configuration_.lease_length = options.lease_length;
  nodes_.resize(options.voters + options.learners);
  for (uint32_t id = 1; id <= size(); ++id) {
    node(id).hard_state = {Term(1), ReplicaId()};
    node(id).entries = {BootstrapEntry(configuration_)};
    Restart(id);
  }
}

Now CoreCluster::ReadClock(uint32_t id) const {
  Now now;
  now.mono = now_;
  now.disruptions = node(id).clock_disruptions;
  if (options_.wall_clock) {
    const WallTime wall(1'700'000'000'000'000'000 + now_.ns());
    now.wall = {wall, wall};
  }
  return now;
}

void CoreCluster::Report(const std::string& violation) {
  if (violation_.empty() && !violation.empty()) {
    violation_ = violation;
    trace_.push_back("VIOLATION " + violation);
  }
}

void CoreCluster::Step(uint32_t id, Input input) {
  if (!up(id)) return;
  const bool leads = core(id).role() == RoleKind::kLeader;
  const Index commit = core(id).commit_index();
  core(id).Step(ReadClock(id), std::move(input), &output_);
  core(id).CheckInvariants();
  Report(invariants_.Observe(ReplicaId(id), core(id), output_));
  if (leads && core(id).commit_index() > commit) CheckDisks(id);
  Absorb(id);
}

// Checks that an entry which a leader has just committed is on the disks of a
// quorum, independent of what the replicas believe.
void CoreCluster::CheckDisks(uint32_t id) {
  const Index commit = core(id).commit_index();
  const LogPosition position = {core(id).TermAt(commit), commit};
  const bool quorum =
      QuorumValue<bool>(core(id).configuration(), false, [&](ReplicaId voter) {
        const Node& other = node(voter.value());
        if (other.snapshot.position.index >= commit) return true;
        const uint64_t offset = commit - other.log_start.position.index - 1;
        return offset < other.entries.size() &&
               other.entries[offset].position() == position;
      });
  if (!quorum) {
    Report(absl::StrCat("node ", id, " commits ", commit.value(),
                        ", which is not on the disks of a quorum"));
  }
}

void CoreCluster::Absorb(uint32_t id) {
  Node& self = node(id);
  for (const Event& event : output_.events) TraceEvent(id, event);
  for (const Message& message : output_.heartbeats) Enqueue(message);
  for (const Message& message : output_.messages) Enqueue(message);
  if (output_.write.has_value()) {
    self.writes.push_back(*std::move(output_.write));
  }
  for (const Entry& entry : output_.apply) Apply(id, entry);
  for (const ReadReady& ready : output_.reads) AnswerRead(id, ready);
  for (SnapshotWork& work : output_.snapshots) {
    self.works.push_back(std::move(work));
  }
  for (const Proposed& proposed : output_.proposed) {
    proposed_.push_back(proposed);
  }
  for (const Refused& refused : output_.refused) {
    refused_.push_back(refused);
    trace_.push_back(
        absl::StrCat(id, ": refused, ", RefusalText(refused.reason)));
  }
}

void CoreCluster::Apply(uint32_t id, const Entry& entry) {
  Node& self = node(id);
  if (entry.index != self.applied + 1) {
    Report(absl::StrCat("node ", id, " applies ", entry.index.value(),
                        " after ", self.applied.value()));
  }
  if (entry.kind == EntryKind::kCommands) {
    absl::StrAppend(&self.state, "[",
                    entry.payload.data() == nullptr
                        ? ""
                        : std::string(entry.payload.view()),
                    "]");
  }
  self.applied = entry.index;
  self.states[entry.index] = self.state;
}

void CoreCluster::AnswerRead(uint32_t id, const ReadReady& ready) {
  ReadResult& read = reads_[ready.tag];
  if (read.done) Report(absl::StrCat("read ", ready.tag, " answered twice"));
  read.done = true;
  read.ok = ready.ok;
  read.index = ready.index;
  trace_.push_back(
      ready.ok
          ? absl::StrCat(id, ": read ", ready.tag, " at ", ready.index.value())
          : absl::StrCat(id, ": read ", ready.tag, " not confirmed"));
  if (!ready.ok) return;
  if (ready.index > node(id).applied) {
    Report(absl::StrCat("read ", ready.tag, " before its index is applied"));
  }
  if (ready.index < read.floor) {
    Report(absl::StrCat("stale read ", ready.tag, ": index ",
                        ready.index.value(), " though ", read.floor.value(),
                        " was committed when it was asked"));
  }
}

void CoreCluster::Enqueue(const Message& message) {
  CheckEncoding(message);
  ++sent_[message.type];
  const Link key = {message.from, message.to};
  if (cut_.count(key) == 0) links_[key].push_back(message);
}

// A message has no field that its type does not have (raft/core/types.h), so it
// comes back equal from an envelope.
void CoreCluster::CheckEncoding(const Message& message) {
  const MessageLink link{ClusterId(1), NodeId(1), NodeId(2)};
  EnvelopeBuilder builder;
  CHECK(builder.Add({}, message));
  std::string bytes;
  for (const Buffer& piece : builder.Take(link, {})) bytes += piece.view();
  const auto decoded = DecodeEnvelope(link, Buffer::Copy(bytes));
  if (!decoded.ok() || decoded->messages.size() != 1 ||
      !(decoded->messages.front().message == message)) {
    Report(absl::StrCat(
        "message of type ", static_cast<int>(message.type),
        " differs after its encoding: ", decoded.status().ToString()));
  }
}

void CoreCluster::Propose(uint32_t id, const std::string& payload) {
  Step(id, Proposal{0, EntryKind::kCommands, Buffer::Copy(payload)});
}

void CoreCluster::Read(uint32_t id, uint64_t tag) {
  reads_[tag].floor = invariants_.committed();
  Step(id, ReadRequested{tag});
}

void CoreCluster::Compact(uint32_t id, uint64_t keep) {
  if (!up(id)) return;
  Node& self = node(id);
  // A snapshot may replace only entries that are on this disk.
  const Index index = std::min(self.applied, core(id).durable_index());
  if (index <= self.snapshot.position.index ||
      index <= core(id).log_start().index) {
    return;
  }
  SnapshotTaken input;
  input.snapshot.position = {core(id).TermAt(index), index};
  input.snapshot.log_time = core(id).EntryAt(index).log_time;
  input.snapshot.latest = core(id).applied_latest();
  input.snapshot.configuration = core(id).ConfigurationAt(index);
  self.snapshot_bytes = "state:" + self.states[index];
  input.snapshot.size_bytes = self.snapshot_bytes.size();
  input.snapshot.crc32c = Crc32c(0, self.snapshot_bytes);
  input.compact_index = index.value() > keep ? index - keep : Index(0);
  self.snapshot = input.snapshot;
  Step(id, std::move(input));
  self.log_start = core(id).boundary();
  std::erase_if(self.entries, [&self](const Entry& entry) {
    return entry.index <= self.log_start.position.index;
  });
}

void CoreCluster::MakeDurable(Node& self, const Write& write) {
  if (write.hard_state_changed) self.hard_state = write.hard_state;
  self.commit = std::max(self.commit, write.commit);
  if (write.entries.empty()) return;
  const Index first = write.entries.front().index;
  std::erase_if(self.entries,
                [first](const Entry& entry) { return entry.index >= first; });
  for (const Entry& entry : write.entries) {
    if (entry.index > self.log_start.position.index) {
      self.entries.push_back(entry);
    }
  }
}

bool CoreCluster::FinishWrite(uint32_t id) {
  Node& self = node(id);
  if (self.writes.empty()) return false;
  const Write write = std::move(self.writes.front());
  self.writes.pop_front();
  MakeDurable(self, write);
  Report(invariants_.ObserveWritten(ReplicaId(id), write.token));
  for (const Message& message : write.after) Enqueue(message);
  Step(id, WriteDone{write.token});
  return true;
}

bool CoreCluster::FinishWork(uint32_t id) {
  Node& self = node(id);
  if (self.works.empty()) return false;
  const SnapshotWork work = std::move(self.works.front());
  self.works.pop_front();
  switch (work.kind) {
    case SnapshotWork::Kind::kRead: {
      ChunkRead done = {work.to, work.snapshot, work.offset, Buffer(), false};
      if (self.snapshot != work.snapshot) {
        done.gone = true;
      } else {
        done.chunk = Buffer::Copy(self.snapshot_bytes.substr(
            work.offset, options_.core.snapshot_chunk_bytes));
      }
      Step(id, std::move(done));
      return true;
    }
    case SnapshotWork::Kind::kWrite:
      if (self.staging != work.snapshot) {
        self.staging = work.snapshot;
        self.staged.clear();
      }
      if (work.offset == self.staged.size()) {
        self.staged += work.chunk.view();
      }
      Step(id, ChunkWritten{work.snapshot, self.staged.size(),
                            work.offset + work.chunk.size()});
      return true;
    case SnapshotWork::Kind::kInstall:
      Install(id, work.snapshot);
      return true;
    case SnapshotWork::Kind::kDiscard:
      self.staging = SnapshotDescriptor();
      self.staged.clear();
      return true;
  }
  return false;
}

void CoreCluster::Install(uint32_t id, const SnapshotDescriptor& snapshot) {
  Node& self = node(id);
  const bool intact =
      self.staging == snapshot && Crc32c(0, self.staged) == snapshot.crc32c;
  const std::string bytes = std::exchange(self.staged, "");
  self.staging = SnapshotDescriptor();
  if (!intact) {
    Step(id, SnapshotInstalled{snapshot, false});
    return;
  }
  // The earlier writes complete in order; then the log is cut.
  std::deque<Write> writes = std::exchange(self.writes, {});
  for (const Write& write : writes) {
    MakeDurable(self, write);
    Report(invariants_.ObserveWritten(ReplicaId(id), write.token));
    for (const Message& message : write.after) Enqueue(message);
  }
  self.entries.clear();
  self.log_start = snapshot.log_start();
  self.snapshot = snapshot;
  self.snapshot_bytes = bytes;
  self.state = bytes.substr(std::string("state:").size());
  self.applied = snapshot.position.index;
  self.states[self.applied] = self.state;
  for (const Write& write : writes) Step(id, WriteDone{write.token});
  Step(id, SnapshotInstalled{snapshot, true});
}

bool CoreCluster::Deliver(uint32_t from, uint32_t to, size_t position) {
  std::deque<Message>& queue = link(from, to);
  if (position >= queue.size()) return false;
  Message message = queue[position];
  queue.erase(queue.begin() + static_cast<ptrdiff_t>(position));
  Step(to, MessageReceived{std::move(message)});
  return true;
}

void CoreCluster::Crash(uint32_t id, size_t written) {
  Node& self = node(id);
  for (size_t i = 0; i < written && !self.writes.empty(); ++i) {
    MakeDurable(self, self.writes.front());
    self.writes.pop_front();
  }
  self.core.reset();
  self.writes.clear();
  self.works.clear();
}

void CoreCluster::Restart(uint32_t id) {
  Node& self = node(id);
  Restored restored;
  restored.hard_state = self.hard_state;
  restored.commit = self.commit;
  restored.snapshot = self.snapshot;
  restored.log_start = self.log_start;
  restored.entries = self.entries;
  self.state = self.snapshot_bytes.empty()
                   ? ""
                   : self.snapshot_bytes.substr(std::string("state:").size());
  self.applied = self.snapshot.position.index;
  self.states.clear();
  self.states[self.applied] = self.state;
  CoreContext context = {.replica = ReplicaId(id), .group = GroupId(1)};
  if (options_.pulses) {
    PulseGate& gate = gates_[ReplicaId(id)];
    gate.cluster = this;
    gate.id = ReplicaId(id);
    context.gate = &gate;
  }
  self.started = now_;
  self.core = std::make_unique<Core>(
      std::make_shared<const CoreOptions>(options_.core), context,
      std::move(restored), Random(options_.seed).Fork("test.start", starts_++),
      ReadClock(id));
  self.core->CheckInvariants();
  Report(invariants_.ObserveStart(ReplicaId(id), *self.core));
}

bool CoreCluster::Stabilize() {
  for (int round = 0; round < 10'000; ++round) {
    bool moved = false;
    for (uint32_t id = 1; id <= size(); ++id) {
      if (!up(id)) continue;
      while (FinishWrite(id)) moved = true;
      while (FinishWork(id)) moved = true;
    }
    for (uint32_t from = 1; from <= size(); ++from) {
      for (uint32_t to = 1; to <= size(); ++to) {
        if (Deliver(from, to)) moved = true;
      }
    }
    if (!moved) return true;
  }
  return false;
}

void CoreCluster::Run(Duration duration) {
  const MonoTime end = now_ + duration;
  Stabilize();
  for (uint32_t id = 1; id <= size(); ++id) {
    // Processes may have started again.
    if (up(id) && core(id).quiet()) FireTimeout(id);
  }
  while (true) {
    std::vector<uint32_t> due;
    MonoTime at = MonoTime::Max();
    for (uint32_t id = 1; id <= size(); ++id) {
      if (!up(id)) continue;
      const MonoTime next = std::min(core(id).deadline(), PulsesLateAt(id));
      if (next < at) due.clear();
      if (next <= at) due.push_back(id);
      at = std::min(at, next);
    }
    if (at > end || due.empty()) break;
    MoveTo(std::max(now_, at));
    for (const uint32_t id : due) {
      FireTimeout(id);
      Stabilize();
    }
  }
  MoveTo(end);
}

// When a quiet core must look at pulses again: the first that is late.
MonoTime CoreCluster::PulsesLateAt(uint32_t id) {
  MonoTime at = MonoTime::Max();
  if (!core(id).quiet()) return at;
  for (const auto& [link, last] : pulses_) {
    const MonoTime late = last + CoreOptions().election_timeout_min;
    if (link.second == ReplicaId(id) && late > now_) at = std::min(at, late);
  }
  return at;
}

// A pulse arrives on each link whenever time moves.
void CoreCluster::MoveTo(MonoTime time) {
  now_ = time;
  for (uint32_t from = 1; from <= size(); ++from) {
    for (uint32_t to = 1; to <= size(); ++to) {
      const Link link = {ReplicaId(from), ReplicaId(to)};
      const bool pulses = up(from) || fenced_.contains(ReplicaId(from));
      if (pulses && !cut_.contains(link)) pulses_[link] = now_;
    }
  }
}

// Another process than at `since` gives them.
MonoTime CoreCluster::PulseGate::LastPulse(ReplicaId replica, MonoTime since) {
  if (cluster->node(replica.value()).started > since) return MonoTime::Min();
  const auto found = cluster->pulses_.find({replica, id});
  return found == cluster->pulses_.end() ? MonoTime::Min() : found->second;
}

void CoreCluster::TraceEvent(uint32_t id, const Event& event) {
  std::string line = absl::StrCat(id, ": ");
  switch (event.kind) {
    case Event::Kind::kTermChanged:
      absl::StrAppend(&line, "term ", event.term.value());
      break;
    case Event::Kind::kRoleChanged:
      absl::StrAppend(&line, std::string(RoleName(event.role)), " in term ",
                      event.term.value());
      break;
    case Event::Kind::kLeaderKnown:
      absl::StrAppend(&line, "leader ", event.leader.value());
      break;
    case Event::Kind::kSuffixTruncated:
      absl::StrAppend(&line, "truncates from ", event.index.value());
      break;
    case Event::Kind::kConfigurationChanged:
      absl::StrAppend(&line, "configuration at ", event.index.value());
      break;
    case Event::Kind::kCommitAdvanced:
      absl::StrAppend(&line, "commits ", event.index.value());
      break;
    case Event::Kind::kStepDownNoQuorum:
      absl::StrAppend(&line, "steps down, no quorum");
      break;
    case Event::Kind::kSnapshotInstalled:
      absl::StrAppend(&line, "installs snapshot ", event.index.value());
      break;
    case Event::Kind::kTransferAbandoned:
      absl::StrAppend(&line, "gives up the transfer");
      break;
    case Event::Kind::kGivesLeadershipAway:
      absl::StrAppend(&line, "gives its leadership away");
      break;
    case Event::Kind::kFollowerLostEntries:
      absl::StrAppend(&line, "misses entries of a follower through ",
                      event.index.value());
      break;
    case Event::Kind::kLostEntries:
      absl::StrAppend(&line, "has lost entries");
      break;
    case Event::Kind::kHalted:
      absl::StrAppend(&line, "halts before ", event.index.value());
      break;
    case Event::Kind::kInvalidMessage:
      absl::StrAppend(&line, "refuses a message");
      break;
  }
  trace_.push_back(std::move(line));
}

}  // namespace quorate::raft
