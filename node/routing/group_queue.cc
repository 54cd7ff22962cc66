#include "node/routing/group_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "env/check.h"

namespace quorate::node {
namespace {

// Entries of one group between proposing and applying. Well below what the core refuses.
constexpr size_t kInflightBatchesMax = 256;
// While so many are under way, what arrives is gathered rather than proposed in small pieces: an entry costs every
// replica the same whether it carries one command or hundreds, and the disks decide the pace anyway.
constexpr size_t kInflightBatchesBeforeGathering = 2;
// What the results of one entry may come to, and those of all entries of a group under way, in bytes: they may all be made
// in one turn. A single command may return more (kv::kReturnedBytesMax).
constexpr size_t kEntryExpectedBytesMax = 8 << 20;
constexpr size_t kInflightExpectedBytesMax = 16 << 20;
// Results up to this need no room of their own: a value fits, and a step of a scan.
constexpr size_t kSmallResultBytes = 2 * kv::kScanBytesMax;
// A connection may have any number of such results on their way, whatever the budget of the node says.
constexpr size_t kFreeResultBytes = 1 << 10;
// The frame of one result.
constexpr size_t kResultFrameBytes = 64;
static_assert(kv::kValueBytesMax + 2 * kResultFrameBytes <= kSmallResultBytes);

const std::vector<NodeId>& ReplicasOf(const Config& config, GroupId group) {
  const auto shard = std::find_if(
      config.shards.begin(), config.shards.end(),
      [&](const ShardConfig& candidate) { return candidate.group == group; });
  CHECK(shard != config.shards.end()) << "group " << group;
  return shard->replicas;
}

bool HoldsReplica(const Config& config, GroupId group) {
  if (config.self().read_only) return true;
  const auto& replicas = ReplicasOf(config, group);
  return std::find(replicas.begin(), replicas.end(), config.node) !=
         replicas.end();
}

}  // namespace

GroupQueue::GroupQueue(const Parts& parts, GroupId group, Callbacks callbacks)
    : parts_(parts),
      group_(group),
      placed_(HoldsReplica(parts.config, group)),
      hosted_(placed_),
      callbacks_(std::move(callbacks)),
      reads_(std::make_unique<Reads>()) {}

void GroupQueue::AppendArgument(std::string* arena, std::string_view argument) {
  const auto size = static_cast<uint32_t>(argument.size());
  char bytes[sizeof(size)];
  std::memcpy(bytes, &size, sizeof(size));
  arena->append(bytes, sizeof(size));
  arena->append(argument);
}

const kv::Store* GroupQueue::store() const {
  if (!hosted_) return nullptr;
  return static_cast<const kv::Store*>(
      std::as_const(parts_.host).state_machine(group_));
}

const kv::Store* GroupQueue::stale_store() const {
  return applied_of_leader_ ? store() : nullptr;
}

// A fenced, stopped or refused replica counts as none: its core stays as it was, a leader's too.
void GroupQueue::RefreshLeadership() {
  Leadership now;
  hosted_ = placed_ && parts_.view.OwnStatus(group_).ok();
  if (!hosted_) {
    const NodeId leader = parts_.view.ReachableLeader(group_);
    if (leader != NodeId()) now = {Leadership::Kind::kRemote, leader};
  } else {
    const raft::Core& core = *parts_.host.core(group_);
    if (core.role() == raft::RoleKind::kLeader) {
      now = {Leadership::Kind::kSelf, parts_.config.node};
    } else if (core.leader() != NodeId() &&
               core.leader() != parts_.config.node) {
      now = {Leadership::Kind::kRemote, core.leader()};
    }
    parts_.view.LearnLeader(group_, core.term(), now.leader);
    applied_of_leader_ = applied_of_leader_ ||
                         (core.leader() != NodeId() &&
                          core.TermAt(core.applied_index()) == core.term());
  }
  if (now.kind == leadership_.kind && now.leader == leadership_.leader) return;
  leadership_ = now;
  retry_at_ = MonoTime::Min();
  callbacks_.leadership_changed();
}

// With another replica the request is passed on or held until one leads.
bool GroupQueue::Alone() const {
  const auto& replicas = ReplicasOf(parts_.config, group_);
  return replicas.size() == 1 && replicas.front() == parts_.config.node;
}

absl::Status GroupQueue::Unservable() const {
  if (hosted_) return absl::OkStatus();
  return Alone() ? parts_.view.OwnStatus(group_) : parts_.view.CutOff(group_);
}

bool GroupQueue::Congested() const {
  return waiting_requests_ >= parts_.config.limits.held_requests;
}

Failure GroupQueue::MakeFailure(Failure::Kind kind, Slot slot,
                                const absl::Status& why) const {
  return {kind, slot, group_, leadership_.leader, why};
}

Admission GroupQueue::Refuse(const Ask& ask, Slot slot, Failure::Kind kind) {
  ask.requester->OnFailure(ask.token,
                           MakeFailure(kind, slot, absl::OkStatus()));
  return Admission::kAccepted;
}

Admission GroupQueue::Block(const Ask& ask) {
  if (std::find(blocked_.begin(), blocked_.end(), ask.requester) ==
      blocked_.end()) {
    blocked_.push_back(ask.requester);
    ++ask.requester->blocked_queues_;
  }
  return Admission::kBlocked;
}

void GroupQueue::ForgetBlocked(Requester* requester) {
  const auto place = std::find(blocked_.begin(), blocked_.end(), requester);
  if (place == blocked_.end()) return;
  blocked_.erase(place);
  --requester->blocked_queues_;
}

size_t GroupQueue::ResultBytes(Requester* requester,
                               const kv::CommandSpec& spec) const {
  switch (spec.op) {
    case kv::Op::kSet:
      if ((spec.flags & kv::kReturnOld) == 0) return kResultFrameBytes;
      break;
    case kv::Op::kGet:
    case kv::Op::kGetRange:
    case kv::Op::kGetDel:
    case kv::Op::kMGet:
      break;
    case kv::Op::kScan:
      return 2 * kv::kScanBytesMax;
    default:
      return kResultFrameBytes;
  }
  const size_t keys =
      spec.op == kv::Op::kMGet ? spec.arguments.size() : size_t{1};
  const kv::Store* here = store();
  const size_t added = requester->OrderOf(group_).unapplied_bytes;
  size_t bytes = kResultFrameBytes;
  for (const std::string_view key : spec.arguments.first(keys)) {
    size_t value = kv::kValueBytesMax;
    if (here != nullptr) {
      value = here->Get(spec.slot, key, WallTime::Min()).value.size();
      value = std::min(value + added, std::max(value, kv::kValueBytesMax));
    }
    bytes += value + sizeof(uint64_t);
    if (bytes > kv::kReturnedBytesMax) return kv::kReturnedBytesMax;
  }
  return bytes;
}

bool GroupQueue::FitsResults(Requester* requester, size_t result_bytes) const {
  const size_t under_way = requester->OrderOf(group_).result_bytes;
  // One command may always go.
  return (under_way == 0 && result_bytes <= kv::kReturnedBytesMax) ||
         (under_way + result_bytes <=
              std::max(kSmallResultBytes,
                       parts_.config.limits.output_buffer_bytes) &&
          (result_bytes <= kFreeResultBytes ||
           parts_.budget.Fits(result_bytes)));
}

std::optional<Admission> GroupQueue::Gate(const Ask& ask, Slot slot,
                                          size_t result_bytes) {
  if (const absl::Status why = Unservable(); !why.ok()) {
    ask.requester->OnFailure(ask.token,
                             MakeFailure(Failure::Kind::kRefused, slot, why));
    return Admission::kAccepted;
  }
  if (ask.redirect && leadership_.kind == Leadership::Kind::kRemote) {
    return Refuse(ask, slot, Failure::Kind::kMoved);
  }
  if (Congested() && !ask.further) {
    if (leadership_.kind == Leadership::Kind::kUnknown) {
      return Refuse(ask, slot, Failure::Kind::kOverloaded);
    }
    return Block(ask);
  }
  if (result_bytes > 0) {
    Requester::Order& order = ask.requester->OrderOf(group_);
    // Its reads under way must not see this write, nor more than this read; their answers unblock it.
    if (order.issued_reads > 0) return Admission::kBlocked;
    if (order.waiting_reads > 0) {
      if (!WaitingReadsFit(ask.requester)) return Admission::kBlocked;
      MoveReadsToBatch(ask.requester);
    }
    // The answers to what is under way unblock it.
    if (!FitsResults(ask.requester, result_bytes)) return Admission::kBlocked;
    if (result_bytes > kSmallResultBytes &&
        !ask.requester->RoomForNext(result_bytes)) {
      return Admission::kBlocked;
    }
  }
  return std::nullopt;
}

Admission GroupQueue::Add(const Ask& ask, const kv::CommandSpec& spec) {
  bool write = !kv::IsRead(spec.op);
  bool in_batch = write;
  if (!write) {
    const Requester::Order& order = ask.requester->OrderOf(group_);
    // In a batch it also settles what became of the requester's writes that were lost on their way.
    in_batch = !hosted_ || order.unapplied_writes > 0 || order.unsettled > 0;
    // It must not see less than those did, whose answers may come before this node applied what they saw; those unblock it.
    if (!in_batch && order.reads_in_log > 0) return Admission::kBlocked;
  }
  const size_t result_bytes = in_batch ? ResultBytes(ask.requester, spec) : 0;
  if (const auto admission = Gate(ask, spec.slot, result_bytes)) {
    return *admission;
  }
  if (!write && in_batch) {
    AddReadToLane(ask, spec, result_bytes);
  } else if (write) {
    const size_t size = kv::BatchBuilder::EncodedSize(spec);
    Lane& lane = LaneFor(ask, size, result_bytes);
    lane.builder.Add(spec);
    AddItem(lane, ask,
            {ask.requester, ask.token, spec.slot, true,
             static_cast<uint32_t>(size), static_cast<uint32_t>(result_bytes)});
  } else {
    AddRead(ask, spec);
  }
  callbacks_.wake();
  return Admission::kAccepted;
}

Admission GroupQueue::AddAtomic(const Ask& ask, Slot slot,
                                const std::optional<kv::SessionStamp>& session,
                                absl::Span<const kv::CommandSpec> specs) {
  size_t size = kv::BatchBuilder::AtomicOverhead(session.has_value());
  size_t result_bytes = kResultFrameBytes;
  for (const kv::CommandSpec& spec : specs) {
    size += kv::BatchBuilder::EncodedSize(spec);
    result_bytes += ResultBytes(ask.requester, spec);
  }
  result_bytes = std::min(result_bytes, kv::kReturnedBytesMax);
  if (const auto admission = Gate(ask, slot, result_bytes)) {
    return *admission;
  }
  Lane& lane = LaneFor(ask, size, result_bytes);
  lane.builder.BeginAtomic(slot, session);
  for (const kv::CommandSpec& spec : specs) lane.builder.Add(spec);
  lane.builder.EndAtomic();
  AddItem(lane, ask,
          {ask.requester, ask.token, slot, true, static_cast<uint32_t>(size),
           static_cast<uint32_t>(result_bytes)});
  callbacks_.wake();
  return Admission::kAccepted;
}

GroupQueue::Lane& GroupQueue::LaneFor(const Ask& ask, size_t encoded_size,
                                      size_t result_bytes) {
  const LimitsConfig& limits = parts_.config.limits;
  Lane& lane = lanes_[ask.redirect];
  if (!lane.items.empty() &&
      (lane.items.size() >= limits.batch_commands ||
       lane.builder.size_bytes() + encoded_size > limits.batch_bytes ||
       lane.result_bytes + result_bytes > kEntryExpectedBytesMax)) {
    CloseLane(ask.redirect);
  }
  Requester::Order& order = ask.requester->OrderOf(group_);
  if (order.lane_redirect != ask.redirect) {
    // What it has in the other lane goes first.
    if (order.lane == lanes_[order.lane_redirect].number) {
      CloseLane(order.lane_redirect);
    }
    order.lane_redirect = ask.redirect;
  }
  order.lane = lane.number;
  return lane;
}

void GroupQueue::AddItem(Lane& lane, const Ask& ask, const Item& item) {
  lane.items.push_back(item);
  lane.result_bytes += item.result_bytes;
  parts_.budget.Reserve(item.result_bytes);
  ++waiting_requests_;
  Requester::Order& order = ask.requester->OrderOf(group_);
  order.result_bytes += item.result_bytes;
  if (item.write) {
    ++order.unapplied_writes;
    order.unapplied_bytes += item.bytes;
  } else {
    ++order.reads_in_log;
  }
}

void GroupQueue::AddReadToLane(const Ask& ask, const kv::CommandSpec& spec,
                               size_t result_bytes) {
  const size_t size = kv::BatchBuilder::EncodedSize(spec);
  Lane& lane = LaneFor(ask, size, result_bytes);
  lane.builder.Add(spec);
  AddItem(lane, ask,
          {ask.requester, ask.token, spec.slot, false,
           static_cast<uint32_t>(size), static_cast<uint32_t>(result_bytes)});
  ++counters_.reads_in_log;
}

void GroupQueue::AddRead(const Ask& ask, const kv::CommandSpec& spec) {
  ReadItem item = {
      .requester = ask.requester,
      .token = ask.token,
      .deadline = MonoNow() + parts_.config.timeouts.leader_wait,
      .numbers = spec.numbers,
      .arguments_offset = reads_->arena.size(),
      .arguments_count = static_cast<uint32_t>(spec.arguments.size()),
      .slot = spec.slot,
      .op = spec.op,
      .redirect = ask.redirect,
  };
  for (const std::string_view argument : spec.arguments) {
    AppendArgument(&reads_->arena, argument);
  }
  reads_->items.push_back(item);
  ++waiting_requests_;
  ++ask.requester->OrderOf(group_).waiting_reads;
  ++counters_.reads;
}

kv::CommandSpec GroupQueue::SpecOf(const ReadItem& item, const Reads& reads) {
  arguments_.clear();
  const char* p = reads.arena.data() + item.arguments_offset;
  for (uint32_t i = 0; i < item.arguments_count; ++i) {
    uint32_t size;
    std::memcpy(&size, p, sizeof(size));
    arguments_.emplace_back(p + sizeof(size), size);
    p += sizeof(size) + size;
  }
  kv::CommandSpec spec;
  spec.op = item.op;
  spec.slot = item.slot;
  spec.numbers = item.numbers;
  spec.arguments = arguments_;
  return spec;
}

bool GroupQueue::WaitingReadsFit(Requester* requester) {
  size_t count = requester->OrderOf(group_).waiting_reads;
  size_t result_bytes = 0;
  for (size_t i = reads_->items.size(); count > 0; --i) {
    CHECK_GT(i, size_t{0});
    const ReadItem& item = reads_->items[i - 1];
    if (item.requester != requester) continue;
    --count;
    result_bytes += ResultBytes(requester, SpecOf(item, *reads_));
  }
  return FitsResults(requester, result_bytes);
}

void GroupQueue::MoveParkedToBatch(Requester* requester) {
  if (requester->OrderOf(group_).parked_reads == 0) return;
  std::vector<Requester::ParkedRead> parked;
  parked.swap(requester->parked_);
  for (Requester::ParkedRead& read : parked) {
    if (read.group != group_) {
      requester->parked_.push_back(std::move(read));
      continue;
    }
    Requester::Order& order = requester->OrderOf(group_);
    --order.parked_reads;
    --order.issued_reads;
    const std::vector<std::string_view> arguments(read.arguments.begin(),
                                                  read.arguments.end());
    kv::CommandSpec spec;
    spec.op = read.op;
    spec.slot = read.slot;
    spec.numbers = read.numbers;
    spec.arguments = arguments;
    AddReadToLane({requester, read.token, read.redirect}, spec,
                  ResultBytes(requester, spec));
  }
}

void GroupQueue::MoveReadsToBatch(Requester* requester) {
  MoveParkedToBatch(requester);
  // They stand near the end, where this turn put them.
  const uint32_t count = requester->OrderOf(group_).waiting_reads;
  std::vector<size_t> places;
  for (size_t i = reads_->items.size(); places.size() < count; --i) {
    CHECK_GT(i, size_t{0});
    if (reads_->items[i - 1].requester == requester) places.push_back(i - 1);
  }
  requester->OrderOf(group_).waiting_reads = 0;
  waiting_requests_ -= count;
  for (size_t i = places.size(); i > 0; --i) {
    ReadItem& item = reads_->items[places[i - 1]];
    const kv::CommandSpec spec = SpecOf(item, *reads_);
    AddReadToLane({requester, item.token, item.redirect}, spec,
                  ResultBytes(requester, spec));
    item.requester = nullptr;
  }
}

void GroupQueue::MoveAllReadsToBatch() {
  for (size_t i = 0; i < reads_->items.size(); ++i) {
    Requester* const requester = reads_->items[i].requester;
    if (requester != nullptr) MoveReadsToBatch(requester);
  }
  reads_->items.clear();
  reads_->arena.clear();
}

void GroupQueue::CloseLane(bool redirect) {
  Lane& lane = lanes_[redirect];
  if (lane.items.empty()) return;
  Batch batch;
  batch.sequence = next_sequence_++;
  batch.payload = lane.builder.Finish();
  batch.items = std::move(lane.items);
  batch.result_bytes = std::exchange(lane.result_bytes, 0);
  batch.deadline = MonoNow() + parts_.config.timeouts.leader_wait;
  batch.redirect = redirect;
  ++lane.number;
  lane.items.clear();
  waiting_.push_back(std::move(batch));
}

void GroupQueue::Flush() {
  RefreshLeadership();
  // Not ahead of reads that a read point is due for: those follow when it fails.
  if (!hosted_ && !read_point_due_) MoveAllReadsToBatch();
  if (leadership_.kind != Leadership::Kind::kSelf ||
      inflight_batches_ < kInflightBatchesBeforeGathering ||
      parts_.buggify.Fire("node.no_gathering")) {
    CloseLane(false);
    CloseLane(true);
  }
  if (MonoNow() >= retry_at_) {
    SubmitWaiting();
    IssueReads();
  }
  ExpireWaiting();
  UnblockRequesters();
  if (!hosted_ && waiting_requests_ > 0 &&
      leadership_.kind == Leadership::Kind::kUnknown) {
    parts_.view.AskSoon(group_);
  }
}

void GroupQueue::SubmitWaiting() {
  while (!waiting_.empty() && MonoNow() >= retry_at_) {
    const Batch& front = waiting_.front();
    if (const absl::Status why = Unservable(); !why.ok()) {
      Batch batch = std::move(waiting_.front());
      waiting_.pop_front();
      waiting_requests_ -= batch.items.size();
      FailBatch(batch, Failure::Kind::kRefused, why);
      continue;
    }
    if (leadership_.kind == Leadership::Kind::kUnknown) return;
    const bool self = leadership_.kind == Leadership::Kind::kSelf;
    const bool moved = !self && front.redirect;
    const size_t bytes_max = parts_.config.raft.uncommitted_bytes / 2;
    if (!moved && inflight_batches_ > 0 &&
        (inflight_batches_ >= kInflightBatchesMax ||
         inflight_bytes_ + front.payload.size() > bytes_max ||
         inflight_result_bytes_ + front.result_bytes >
             kInflightExpectedBytesMax)) {
      return;
    }
    const Again again =
        !moved && front.refused ? MayBeSubmittedAgain(front) : Again::kYes;
    if (again == Again::kLater) return;
    if (!moved && !Submittable()) {
      OpenChannel();
      return;
    }
    Batch batch = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_requests_ -= batch.items.size();
    if (moved) {
      FailBatch(batch, Failure::Kind::kMoved, absl::OkStatus());
    } else if (again == Again::kNever) {
      FailBatch(batch, Failure::Kind::kNoLeader, absl::OkStatus());
    } else if (self) {
      Propose(std::move(batch));
    } else {
      Forward(std::move(batch));
    }
  }
}

// A batch may be refused although a later one is not: the leader had room for the smaller of them, or the later one went
// to the next leader.
GroupQueue::Again GroupQueue::MayBeSubmittedAgain(const Batch& batch) {
  Again again = Again::kYes;
  for (const Item& item : batch.items) {
    const Requester::Order& order = item.requester->OrderOf(group_);
    if (order.executed_through > batch.sequence) return Again::kNever;
    if (order.submitted > 0) again = Again::kLater;
  }
  return again;
}

void GroupQueue::NoteSubmitted(const Batch& batch) {
  for (const Item& item : batch.items) {
    ++item.requester->OrderOf(group_).submitted;
  }
}

void GroupQueue::NoteAnswered(const Batch& batch, Outcome outcome) {
  for (const Item& item : batch.items) {
    Requester::Order& order = item.requester->OrderOf(group_);
    --order.submitted;
    if (outcome == Outcome::kNotExecuted) continue;
    order.executed_through = std::max(order.executed_through, batch.sequence);
    if (outcome == Outcome::kDone) {
      if (batch.sequence > order.unsettled) order.unsettled = 0;
    } else if (batch.forwarded) {
      order.unsettled = std::max(order.unsettled, batch.sequence);
    }
  }
}

void GroupQueue::Propose(Batch batch) {
  NoteSubmitted(batch);
  ++inflight_batches_;
  inflight_bytes_ += batch.payload.size();
  inflight_result_bytes_ += batch.result_bytes;
  ++counters_.proposals;
  counters_.proposed_commands += batch.items.size();
  Buffer payload = batch.payload;
  parts_.host.Propose(group_, std::move(payload),
                      [this, batch = std::move(batch)](
                          const raft::ProposeResult& result) mutable {
                        OnBatchDone(std::move(batch), result);
                      });
}

const NodeConfig& GroupQueue::LeaderConfig() const {
  const NodeConfig* node = parts_.config.FindNode(leadership_.leader);
  CHECK(node != nullptr) << "leader " << leadership_.leader;
  return *node;
}

bool GroupQueue::Submittable() const {
  if (leadership_.kind != Leadership::Kind::kRemote) {
    return leadership_.kind == Leadership::Kind::kSelf;
  }
  const auto channel = channels_.find(leadership_.leader);
  return channel != channels_.end() && channel->second.open;
}

void GroupQueue::OpenChannel() {
  const NodeConfig& node = LeaderConfig();
  Channel& channel = channels_[node.id];
  if (channel.opening) return;
  channel.opening = true;
  parts_.links.To(node.resp).Open(group_, channel.last,
                                  [this, asked = node.id](PeerResult answer) {
                                    Channel& opened = channels_[asked];
                                    opened.opening = false;
                                    if (answer.channel.channel != 0) {
                                      opened.last = answer.channel;
                                      opened.open = true;
                                    } else {
                                      retry_at_ = MonoNow() + kRetryDelay;
                                      if (!hosted_) LearnLeader(answer);
                                    }
                                    RefreshLeadership();
                                    callbacks_.wake();
                                  });
}

// It may still be open there. No matter: the next is opened in its place.
void GroupQueue::CloseChannel(NodeId leader, const ForwardStamp& stamp) {
  Channel& channel = channels_[leader];
  if (channel.last.term == stamp.term &&
      channel.last.channel == stamp.channel) {
    channel.open = false;
  }
}

void GroupQueue::Forward(Batch batch) {
  const NodeConfig& node = LeaderConfig();
  batch.forwarded = true;
  NoteSubmitted(batch);
  ++inflight_batches_;
  inflight_bytes_ += batch.payload.size();
  inflight_result_bytes_ += batch.result_bytes;
  ++counters_.forwarded;
  Buffer payload = batch.payload;
  ForwardStamp& stamp = channels_[node.id].last;
  ++stamp.number;
  parts_.links.To(node.resp).Apply(
      group_, stamp, std::move(payload),
      [this, asked = node.id, stamp,
       batch = std::move(batch)](PeerResult result) mutable {
        if (!hosted_) LearnLeader(result);
        if (result.result.outcome == Outcome::kNotExecuted) {
          CloseChannel(asked, stamp);
        }
        OnBatchDone(std::move(batch), result.result);
      });
}

void GroupQueue::LearnLeader(const PeerResult& answer) {
  if (answer.result.outcome == Outcome::kDone) return;
  parts_.view.LearnLeader(group_, answer.term, answer.leader);
  parts_.view.AskSoon(group_);
}

void GroupQueue::OnBatchDone(Batch batch, const raft::ProposeResult& result) {
  --inflight_batches_;
  inflight_bytes_ -= batch.payload.size();
  inflight_result_bytes_ -= batch.result_bytes;
  NoteAnswered(batch, result.outcome);
  switch (result.outcome) {
    case Outcome::kDone:
      Deliver(batch, result.result);
      break;
    case Outcome::kUnknown:
      ++counters_.proposals_unknown;
      FailBatch(batch, Failure::Kind::kUnknown, result.status);
      break;
    case Outcome::kNotExecuted: {
      ++counters_.proposals_refused;
      retry_at_ = MonoNow() + kRetryDelay;
      batch.refused = true;
      waiting_requests_ += batch.items.size();
      const auto place = std::find_if(
          waiting_.begin(), waiting_.end(),
          [&](const Batch& other) { return other.sequence > batch.sequence; });
      waiting_.insert(place, std::move(batch));
      RefreshLeadership();
      break;
    }
  }
  callbacks_.wake();
}

void GroupQueue::Deliver(const Batch& batch, const Buffer& results) {
  if (batch.forwarded &&
      !kv::ResultsAreWhole(results.view(),
                           static_cast<uint32_t>(batch.items.size()))) {
    ++counters_.proposals_unknown;
    FailBatch(batch, Failure::Kind::kUnknown,
              absl::InternalError("the leader's results make no sense"));
    return;
  }
  kv::ResultReader reader(results.view());
  CHECK(reader.ok()) << "results are made by this process, or were checked";
  if (!reader.batch_accepted()) {
    FailBatch(batch, Failure::Kind::kRefused,
              absl::InternalError("the batch was refused as malformed"));
    return;
  }
  CHECK_EQ(reader.count(), batch.items.size());
  for (const Item& item : batch.items) {
    const kv::ResultView result = reader.Next();
    if (!item.write && result.status == kv::ResultStatus::kResultNotKept) {
      FailItem(item, Failure::Kind::kOverloaded, absl::OkStatus());
      continue;
    }
    Release(item);
    item.requester->OnResult(item.token, result);
  }
}

void GroupQueue::Release(const Item& item) {
  Requester::Order& order = item.requester->OrderOf(group_);
  order.result_bytes -= item.result_bytes;
  parts_.budget.Release(item.result_bytes);
  if (item.write) {
    --order.unapplied_writes;
    order.unapplied_bytes -= item.bytes;
  } else {
    --order.reads_in_log;
  }
}

void GroupQueue::FailItem(const Item& item, Failure::Kind kind,
                          const absl::Status& why) {
  Release(item);
  // A read that travelled in an entry does no harm whatever became of it.
  if (kind == Failure::Kind::kUnknown && !item.write) {
    kind = Failure::Kind::kNoLeader;
  }
  item.requester->OnFailure(item.token, MakeFailure(kind, item.slot, why));
}

void GroupQueue::FailBatch(const Batch& batch, Failure::Kind kind,
                           const absl::Status& why) {
  for (const Item& item : batch.items) FailItem(item, kind, why);
}

// Not in the term of the channel, in any case.
PeerResult GroupQueue::NotLeading() const {
  PeerResult result;
  result.result.outcome = Outcome::kNotExecuted;
  result.result.status =
      absl::UnavailableError("this node does not lead, or opened no channel");
  const LiveView::Leader known = parts_.view.leader(group_);
  result.leader = known.node;
  result.term = known.term;
  return result;
}

PeerResult GroupQueue::OpenForPeer(const ForwardStamp& instead) {
  RefreshLeadership();
  if (leadership_.kind != Leadership::Kind::kSelf) return NotLeading();
  PeerResult result;
  result.result.outcome = Outcome::kDone;
  result.channel =
      peer_channels_.Open(parts_.host.core(group_)->term(), instead);
  return result;
}

void GroupQueue::ApplyForPeer(const ForwardStamp& stamp, Buffer payload,
                              PeerLink::Done done) {
  RefreshLeadership();
  if (leadership_.kind != Leadership::Kind::kSelf ||
      !peer_channels_.Take(parts_.host.core(group_)->term(), stamp)) {
    done(NotLeading());
    return;
  }
  ++counters_.proposals;
  parts_.host.Propose(group_, std::move(payload),
                      [this, done = std::move(done)](
                          const raft::ProposeResult& result) mutable {
                        RefreshLeadership();
                        PeerResult answer = NotLeading();
                        answer.result = result;
                        done(std::move(answer));
                      });
}

}  // namespace quorate::node
