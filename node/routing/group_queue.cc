#include "node/routing/group_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "env/check.h"

namespace quorate::node {
namespace {

// The most entries of a group between proposing and applying. Well below what
// the core refuses.
constexpr size_t kInflightBatchesMax = 256;
// From this many batches in flight on, arriving commands are collected instead
// of proposed in small entries. An entry costs every replica the same whether
// it carries one command or hundreds, and the disks limit the pace.
constexpr size_t kInflightBatchesBeforeGathering = 2;
// Upper bounds of the result bytes of one entry, and of all entries of a group
// in flight, which may all be built in one turn. A single command may return
// more (kv::kReturnedBytesMax).
constexpr size_t kEntryExpectedBytesMax = 8 << 20;
constexpr size_t kInflightExpectedBytesMax = 16 << 20;
// Results up to this size are not checked for room: a value fits, and a step of
// a scan.
constexpr size_t kSmallResultBytes = 2 * kv::kScanBytesMax;
// A connection may have any number of results up to this size in flight,
// whatever the node's budget.
constexpr size_t kFreeResultBytes = 1 << 10;
// The size of a result without its payload.
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

// A fenced, stopped or refused replica counts as absent. Its core keeps its
// last state, which may be that of a leader.
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

RequestFailure GroupQueue::MakeFailure(RequestFailure::Kind kind, Slot slot,
                                       const absl::Status& why) const {
  return {kind, slot, group_, leadership_.leader, why};
}

Admission GroupQueue::Refuse(const RoutedRequest& request, Slot slot,
                             RequestFailure::Kind kind) {
  request.sink->OnFailure(request.token,
                          MakeFailure(kind, slot, absl::OkStatus()));
  return Admission::kAccepted;
}

Admission GroupQueue::Block(const RoutedRequest& request) {
  if (std::find(blocked_.begin(), blocked_.end(), request.sink) ==
      blocked_.end()) {
    blocked_.push_back(request.sink);
    ++request.sink->blocked_queues_;
  }
  return Admission::kBlocked;
}

void GroupQueue::ForgetBlocked(RequestSink* sink) {
  const auto place = std::find(blocked_.begin(), blocked_.end(), sink);
  if (place == blocked_.end()) return;
  blocked_.erase(place);
  --sink->blocked_queues_;
}

size_t GroupQueue::ResultBytes(RequestSink* sink,
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
  const size_t added = sink->OrderOf(group_).unapplied_bytes;
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

bool GroupQueue::FitsResults(RequestSink* sink, size_t result_bytes) const {
  const size_t under_way = sink->OrderOf(group_).result_bytes;
  // A single command is always admitted.
  return (under_way == 0 && result_bytes <= kv::kReturnedBytesMax) ||
         (under_way + result_bytes <=
              std::max(kSmallResultBytes,
                       parts_.config.limits.output_buffer_bytes) &&
          (result_bytes <= kFreeResultBytes ||
           parts_.budget.Fits(result_bytes)));
}

std::optional<Admission> GroupQueue::CheckAdmission(
    const RoutedRequest& request, Slot slot, size_t result_bytes) {
  if (const absl::Status why = Unservable(); !why.ok()) {
    request.sink->OnFailure(
        request.token, MakeFailure(RequestFailure::Kind::kRefused, slot, why));
    return Admission::kAccepted;
  }
  if (request.redirect && leadership_.kind == Leadership::Kind::kRemote) {
    return Refuse(request, slot, RequestFailure::Kind::kMoved);
  }
  if (Congested() && !request.further) {
    if (leadership_.kind == Leadership::Kind::kUnknown) {
      return Refuse(request, slot, RequestFailure::Kind::kOverloaded);
    }
    return Block(request);
  }
  if (result_bytes > 0) {
    RequestSink::ConnectionOrder& order = request.sink->OrderOf(group_);
    // The sink's issued reads must not observe this write, nor more than this
    // read. Their answers unblock the sink.
    if (order.issued_reads > 0) return Admission::kBlocked;
    if (order.waiting_reads > 0) {
      if (!WaitingReadsFit(request.sink)) return Admission::kBlocked;
      MoveReadsToBatch(request.sink);
    }
    // Answers to commands in flight unblock the sink.
    if (!FitsResults(request.sink, result_bytes)) return Admission::kBlocked;
    if (result_bytes > kSmallResultBytes &&
        !request.sink->RoomForNext(result_bytes)) {
      return Admission::kBlocked;
    }
  }
  return std::nullopt;
}

Admission GroupQueue::Add(const RoutedRequest& request,
                          const kv::CommandSpec& spec) {
  bool write = !kv::IsRead(spec.op);
  bool in_batch = write;
  if (!write) {
    const RequestSink::ConnectionOrder& order = request.sink->OrderOf(group_);
    // In a batch, the read also settles the outcome of the sink's writes that
    // were lost in forwarding.
    in_batch = !hosted_ || order.unapplied_writes > 0 || order.unsettled > 0;
    // The read must not return an older state than the sink's earlier reads in
    // the log, whose answers may arrive before this node has applied what they
    // observed. Those answers unblock the sink.
    if (!in_batch && order.reads_in_log > 0) return Admission::kBlocked;
  }
  const size_t result_bytes = in_batch ? ResultBytes(request.sink, spec) : 0;
  if (const auto admission = CheckAdmission(request, spec.slot, result_bytes)) {
    return *admission;
  }
  if (!write && in_batch) {
    AddReadToBatch(request, spec, result_bytes);
  } else if (write) {
    const size_t size = kv::BatchBuilder::EncodedSize(spec);
    OpenBatch& open_batch = OpenBatchFor(request, size, result_bytes);
    open_batch.builder.Add(spec);
    AddItem(open_batch, request,
            {request.sink, request.token, spec.slot, true,
             static_cast<uint32_t>(size), static_cast<uint32_t>(result_bytes)});
  } else {
    AddRead(request, spec);
  }
  callbacks_.wake();
  return Admission::kAccepted;
}

Admission GroupQueue::AddAtomic(const RoutedRequest& request, Slot slot,
                                const std::optional<kv::SessionStamp>& session,
                                absl::Span<const kv::CommandSpec> specs) {
  size_t size = kv::BatchBuilder::AtomicOverhead(session.has_value());
  size_t result_bytes = kResultFrameBytes;
  for (const kv::CommandSpec& spec : specs) {
    size += kv::BatchBuilder::EncodedSize(spec);
    result_bytes += ResultBytes(request.sink, spec);
  }
  result_bytes = std::min(result_bytes, kv::kReturnedBytesMax);
  if (const auto admission = CheckAdmission(request, slot, result_bytes)) {
    return *admission;
  }
  OpenBatch& open_batch = OpenBatchFor(request, size, result_bytes);
  open_batch.builder.BeginAtomic(slot, session);
  for (const kv::CommandSpec& spec : specs) open_batch.builder.Add(spec);
  open_batch.builder.EndAtomic();
  AddItem(open_batch, request,
          {request.sink, request.token, slot, true, static_cast<uint32_t>(size),
           static_cast<uint32_t>(result_bytes)});
  callbacks_.wake();
  return Admission::kAccepted;
}

GroupQueue::OpenBatch& GroupQueue::OpenBatchFor(const RoutedRequest& request,
                                                size_t encoded_size,
                                                size_t result_bytes) {
  const LimitsConfig& limits = parts_.config.limits;
  OpenBatch& open_batch = open_batches_[request.redirect];
  if (!open_batch.items.empty() &&
      (open_batch.items.size() >= limits.batch_commands ||
       open_batch.builder.size_bytes() + encoded_size > limits.batch_bytes ||
       open_batch.result_bytes + result_bytes > kEntryExpectedBytesMax)) {
    CloseOpenBatch(request.redirect);
  }
  RequestSink::ConnectionOrder& order = request.sink->OrderOf(group_);
  if (order.open_batch_redirect != request.redirect) {
    // Its commands in the other open batch go first.
    if (order.open_batch == open_batches_[order.open_batch_redirect].number) {
      CloseOpenBatch(order.open_batch_redirect);
    }
    order.open_batch_redirect = request.redirect;
  }
  order.open_batch = open_batch.number;
  return open_batch;
}

void GroupQueue::AddItem(OpenBatch& open_batch, const RoutedRequest& request,
                         const Item& item) {
  open_batch.items.push_back(item);
  open_batch.result_bytes += item.result_bytes;
  parts_.budget.Reserve(item.result_bytes);
  ++waiting_requests_;
  RequestSink::ConnectionOrder& order = request.sink->OrderOf(group_);
  order.result_bytes += item.result_bytes;
  if (item.write) {
    ++order.unapplied_writes;
    order.unapplied_bytes += item.bytes;
  } else {
    ++order.reads_in_log;
  }
}

void GroupQueue::AddReadToBatch(const RoutedRequest& request,
                                const kv::CommandSpec& spec,
                                size_t result_bytes) {
  const size_t size = kv::BatchBuilder::EncodedSize(spec);
  OpenBatch& open_batch = OpenBatchFor(request, size, result_bytes);
  open_batch.builder.Add(spec);
  AddItem(open_batch, request,
          {request.sink, request.token, spec.slot, false,
           static_cast<uint32_t>(size), static_cast<uint32_t>(result_bytes)});
  ++counters_.reads_in_log;
}

void GroupQueue::AddRead(const RoutedRequest& request,
                         const kv::CommandSpec& spec) {
  ReadItem item = {
      .sink = request.sink,
      .token = request.token,
      .deadline = MonoNow() + parts_.config.timeouts.leader_wait,
      .numbers = spec.numbers,
      .arguments_offset = reads_->arena.size(),
      .arguments_count = static_cast<uint32_t>(spec.arguments.size()),
      .slot = spec.slot,
      .op = spec.op,
      .redirect = request.redirect,
  };
  for (const std::string_view argument : spec.arguments) {
    AppendArgument(&reads_->arena, argument);
  }
  reads_->items.push_back(item);
  ++waiting_requests_;
  ++request.sink->OrderOf(group_).waiting_reads;
  ++counters_.reads;
}

kv::CommandSpec GroupQueue::CommandOf(const ReadItem& item,
                                      const Reads& reads) {
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

bool GroupQueue::WaitingReadsFit(RequestSink* sink) {
  size_t count = sink->OrderOf(group_).waiting_reads;
  size_t result_bytes = 0;
  for (size_t i = reads_->items.size(); count > 0; --i) {
    CHECK_GT(i, size_t{0});
    const ReadItem& item = reads_->items[i - 1];
    if (item.sink != sink) continue;
    --count;
    result_bytes += ResultBytes(sink, CommandOf(item, *reads_));
  }
  return FitsResults(sink, result_bytes);
}

void GroupQueue::MoveParkedToBatch(RequestSink* sink) {
  if (sink->OrderOf(group_).parked_reads == 0) return;
  std::vector<RequestSink::ParkedRead> parked;
  parked.swap(sink->parked_);
  for (RequestSink::ParkedRead& read : parked) {
    if (read.group != group_) {
      sink->parked_.push_back(std::move(read));
      continue;
    }
    RequestSink::ConnectionOrder& order = sink->OrderOf(group_);
    --order.parked_reads;
    --order.issued_reads;
    const std::vector<std::string_view> arguments(read.arguments.begin(),
                                                  read.arguments.end());
    kv::CommandSpec spec;
    spec.op = read.op;
    spec.slot = read.slot;
    spec.numbers = read.numbers;
    spec.arguments = arguments;
    AddReadToBatch({sink, read.token, read.redirect}, spec,
                   ResultBytes(sink, spec));
  }
}

void GroupQueue::MoveReadsToBatch(RequestSink* sink) {
  MoveParkedToBatch(sink);
  // They are near the end, where this turn added them.
  const uint32_t count = sink->OrderOf(group_).waiting_reads;
  std::vector<size_t> places;
  for (size_t i = reads_->items.size(); places.size() < count; --i) {
    CHECK_GT(i, size_t{0});
    if (reads_->items[i - 1].sink == sink) places.push_back(i - 1);
  }
  sink->OrderOf(group_).waiting_reads = 0;
  waiting_requests_ -= count;
  for (size_t i = places.size(); i > 0; --i) {
    ReadItem& item = reads_->items[places[i - 1]];
    const kv::CommandSpec spec = CommandOf(item, *reads_);
    AddReadToBatch({sink, item.token, item.redirect}, spec,
                   ResultBytes(sink, spec));
    item.sink = nullptr;
  }
}

void GroupQueue::MoveAllReadsToBatch() {
  for (size_t i = 0; i < reads_->items.size(); ++i) {
    RequestSink* const sink = reads_->items[i].sink;
    if (sink != nullptr) MoveReadsToBatch(sink);
  }
  reads_->items.clear();
  reads_->arena.clear();
}

void GroupQueue::CloseOpenBatch(bool redirect) {
  OpenBatch& open_batch = open_batches_[redirect];
  if (open_batch.items.empty()) return;
  Batch batch;
  batch.sequence = next_sequence_++;
  batch.payload = open_batch.builder.Finish();
  batch.items = std::move(open_batch.items);
  batch.result_bytes = std::exchange(open_batch.result_bytes, 0);
  batch.deadline = MonoNow() + parts_.config.timeouts.leader_wait;
  batch.redirect = redirect;
  ++open_batch.number;
  open_batch.items.clear();
  waiting_.push_back(std::move(batch));
}

void GroupQueue::Flush() {
  RefreshLeadership();
  // Not while a read point is outstanding: its reads come first, and follow
  // when it fails.
  if (!hosted_ && !read_point_due_) MoveAllReadsToBatch();
  if (leadership_.kind != Leadership::Kind::kSelf ||
      inflight_batches_ < kInflightBatchesBeforeGathering ||
      parts_.buggify.Fire("node.no_gathering")) {
    CloseOpenBatch(false);
    CloseOpenBatch(true);
  }
  if (MonoNow() >= retry_at_) {
    SubmitWaiting();
    IssueReads();
  }
  ExpireWaiting();
  UnblockSinks();
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
      FailBatch(batch, RequestFailure::Kind::kRefused, why);
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
    const RetryDecision again =
        !moved && front.refused ? DecideRetry(front) : RetryDecision::kYes;
    if (again == RetryDecision::kLater) return;
    if (!moved && !Submittable()) {
      OpenChannel();
      return;
    }
    Batch batch = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_requests_ -= batch.items.size();
    if (moved) {
      FailBatch(batch, RequestFailure::Kind::kMoved, absl::OkStatus());
    } else if (again == RetryDecision::kNever) {
      FailBatch(batch, RequestFailure::Kind::kNoLeader, absl::OkStatus());
    } else if (self) {
      Propose(std::move(batch));
    } else {
      Forward(std::move(batch));
    }
  }
}

// A batch may be refused although a later batch is not: the leader had room for
// the smaller batch, or the later one went to the next leader.
GroupQueue::RetryDecision GroupQueue::DecideRetry(const Batch& batch) {
  RetryDecision again = RetryDecision::kYes;
  for (const Item& item : batch.items) {
    const RequestSink::ConnectionOrder& order = item.sink->OrderOf(group_);
    if (order.executed_through > batch.sequence) return RetryDecision::kNever;
    if (order.submitted > 0) again = RetryDecision::kLater;
  }
  return again;
}

void GroupQueue::RecordSubmitted(const Batch& batch) {
  for (const Item& item : batch.items) {
    ++item.sink->OrderOf(group_).submitted;
  }
}

void GroupQueue::RecordAnswered(const Batch& batch, Outcome outcome) {
  for (const Item& item : batch.items) {
    RequestSink::ConnectionOrder& order = item.sink->OrderOf(group_);
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
  RecordSubmitted(batch);
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

// The channel may still be open at the leader. The next channel replaces it.
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
  RecordSubmitted(batch);
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
  RecordAnswered(batch, result.outcome);
  switch (result.outcome) {
    case Outcome::kDone:
      Deliver(batch, result.result);
      break;
    case Outcome::kUnknown:
      ++counters_.proposals_unknown;
      FailBatch(batch, RequestFailure::Kind::kUnknown, result.status);
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
    FailBatch(batch, RequestFailure::Kind::kUnknown,
              absl::InternalError("the leader's results are malformed"));
    return;
  }
  kv::ResultReader reader(results.view());
  CHECK(reader.ok()) << "results are made by this process, or were checked";
  if (!reader.batch_accepted()) {
    FailBatch(batch, RequestFailure::Kind::kRefused,
              absl::InternalError("the batch was refused as malformed"));
    return;
  }
  CHECK_EQ(reader.count(), batch.items.size());
  for (const Item& item : batch.items) {
    const kv::ResultView result = reader.Next();
    if (!item.write && result.status == kv::ResultStatus::kResultNotKept) {
      FailItem(item, RequestFailure::Kind::kOverloaded, absl::OkStatus());
      continue;
    }
    Release(item);
    item.sink->OnResult(item.token, result);
  }
}

void GroupQueue::Release(const Item& item) {
  RequestSink::ConnectionOrder& order = item.sink->OrderOf(group_);
  order.result_bytes -= item.result_bytes;
  parts_.budget.Release(item.result_bytes);
  if (item.write) {
    --order.unapplied_writes;
    order.unapplied_bytes -= item.bytes;
  } else {
    --order.reads_in_log;
  }
}

void GroupQueue::FailItem(const Item& item, RequestFailure::Kind kind,
                          const absl::Status& why) {
  Release(item);
  // A read in an entry has no effect, so its outcome need not be known.
  if (kind == RequestFailure::Kind::kUnknown && !item.write) {
    kind = RequestFailure::Kind::kNoLeader;
  }
  item.sink->OnFailure(item.token, MakeFailure(kind, item.slot, why));
}

void GroupQueue::FailBatch(const Batch& batch, RequestFailure::Kind kind,
                           const absl::Status& why) {
  for (const Item& item : batch.items) FailItem(item, kind, why);
}

// The answer that this node does not lead, at least not in the term of the
// channel.
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

PeerResult GroupQueue::OpenForPeer(const ForwardStamp& replaces) {
  RefreshLeadership();
  if (leadership_.kind != Leadership::Kind::kSelf) return NotLeading();
  PeerResult result;
  result.result.outcome = Outcome::kDone;
  result.channel =
      peer_channels_.Open(parts_.host.core(group_)->term(), replaces);
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
