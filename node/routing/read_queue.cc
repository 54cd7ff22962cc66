#include "node/routing/read_queue.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "absl/types/span.h"
#include "env/check.h"
#include "kv/command/result.h"
#include "kv/command/result_check.h"
#include "kv/store/store.h"

namespace quorate::node {
namespace {

// The command of a parked read. `arguments` is its storage.
kv::CommandSpec ParkedCommand(const RequestSink::ParkedRead& read,
                              std::vector<std::string_view>* arguments) {
  arguments->assign(read.arguments.begin(), read.arguments.end());
  return {.op = read.op,
          .slot = read.slot,
          .numbers = read.numbers,
          .arguments = *arguments};
}

// True if the sink has room for a result that another node evaluated.
bool RoomForResult(const RoutedRequest& request, const kv::ResultView& result) {
  return request.sink->RoomFor(request.token,
                               std::max<size_t>(1, result.bytes.size()));
}

// True if the sink has room for a result of several values.
bool RoomForElements(const RoutedRequest& request,
                     const kv::ResultView& result) {
  size_t bytes = 0;
  for (const kv::ResultElement& element : result.elements) {
    bytes += element.bytes.size() + sizeof(uint64_t);
  }
  return bytes == 0 || request.sink->RoomFor(request.token, bytes);
}

}  // namespace

ReadQueue::ReadQueue(const QueueParts& parts, GroupLeadership& leadership,
                     Forwarding& forwarding, BatchQueue& batches,
                     const ResultRoom& results, QueueCounters& counters,
                     absl::AnyInvocable<void()> wake)
    : parts_(parts),
      leadership_(leadership),
      forwarding_(forwarding),
      batches_(batches),
      results_(results),
      counters_(counters),
      wake_(std::move(wake)),
      reads_(std::make_unique<ReadList>()) {}

void ReadQueue::Add(const RoutedRequest& request, const kv::CommandSpec& spec) {
  reads_->Append(request, std::min(NewDeadline(), request.deadline), spec);
  ++waiting_requests_;
  ++OrderOf(request.sink).waiting_reads;
  ++counters_.reads;
}

bool ReadQueue::WaitingFit(RequestSink* sink) {
  size_t count = OrderOf(sink).waiting_reads;
  size_t result_bytes = 0;
  for (size_t i = reads_->items().size(); count > 0; --i) {
    CHECK_GT(i, size_t{0});
    const ReadList::Item& item = reads_->items()[i - 1];
    if (item.sink != sink) continue;
    --count;
    result_bytes +=
        results_.BytesOf(sink, reads_->CommandOf(item, &arguments_));
  }
  return results_.Fits(sink, result_bytes);
}

void ReadQueue::MoveParkedToBatch(RequestSink* sink) {
  if (OrderOf(sink).parked_reads == 0) return;
  for (RequestSink::ParkedRead& read : TakeParked(sink)) {
    RequestSink::ConnectionOrder& order = OrderOf(sink);
    --order.parked_reads;
    --order.issued_reads;
    parts_.budget.Release(read.result.size());
    std::vector<std::string_view> arguments;
    const kv::CommandSpec spec = ParkedCommand(read, &arguments);
    batches_.Add({sink, read.token, read.redirect}, spec,
                 results_.BytesOf(sink, spec));
  }
}

void ReadQueue::MoveToBatch(RequestSink* sink) {
  MoveParkedToBatch(sink);
  // They are near the end, where this turn added them.
  const uint32_t count = OrderOf(sink).waiting_reads;
  std::vector<size_t> places;
  for (size_t i = reads_->items().size(); places.size() < count; --i) {
    CHECK_GT(i, size_t{0});
    if (reads_->items()[i - 1].sink == sink) places.push_back(i - 1);
  }
  OrderOf(sink).waiting_reads = 0;
  waiting_requests_ -= count;
  for (size_t i = places.size(); i > 0; --i) {
    ReadList::Item& item = reads_->items()[places[i - 1]];
    const kv::CommandSpec spec = reads_->CommandOf(item, &arguments_);
    batches_.Add(item.Request(), spec, results_.BytesOf(sink, spec));
    item.sink = nullptr;
  }
}

void ReadQueue::Issue() {
  if (read_point_due_ || reads_->items().empty() ||
      leadership_.kind() == Leadership::Kind::kUnknown ||
      (!leadership_.hosted() &&
       !forwarding_.HasRoom(parts_.config.limits.batch_bytes))) {
    return;
  }
  std::unique_ptr<ReadList> reads = std::move(reads_);
  reads_ = spare_reads_ != nullptr ? std::move(spare_reads_)
                                   : std::make_unique<ReadList>();
  const bool remote = leadership_.kind() == Leadership::Kind::kRemote;
  bool any = false;
  for (ReadList::Item& item : reads->items()) {
    if (item.sink == nullptr) continue;
    RequestSink::ConnectionOrder& order = OrderOf(item.sink);
    if (order.reads_in_log > 0 || AwaitsRoom(item.sink)) {
      // This node may not have applied what the read in the log observes. So
      // this read needs a read point after it.
      KeepRead(item, *reads);
      item.sink = nullptr;
      continue;
    }
    --waiting_requests_;
    --order.waiting_reads;
    if (remote && item.redirect) {
      Fail(item, RequestFailure::Kind::kMoved, absl::OkStatus());
      item.sink = nullptr;
      continue;
    }
    ++order.issued_reads;
    any = true;
  }
  if (!any) return;
  read_point_due_ = true;
  ++counters_.read_rounds;
  if (!leadership_.hosted()) return IssueToLeader(std::move(reads));
  parts_.host.Read(leadership_.group(), [this, reads = std::move(reads)](
                                            absl::Status status) mutable {
    OnReadPoint(std::move(reads), status);
  });
}

// If replies hold so many bytes that results could not be kept, each sink has
// one read in the batch.
void ReadQueue::IssueToLeader(std::unique_ptr<ReadList> reads) {
  const LimitsConfig& limits = parts_.config.limits;
  const bool scarce =
      !parts_.budget.Fits(parts_.config.bounds.entry_result_bytes);
  kv::BatchBuilder batch;
  batch.SetRules(leadership_.rules());
  asked_.clear();
  for (size_t i = 0; i < reads->items().size(); ++i) {
    const ReadList::Item& item = reads->items()[i];
    if (item.sink == nullptr) continue;
    uint64_t& round = OrderOf(item.sink).read_round;
    if (scarce && round == counters_.read_rounds) continue;
    const kv::CommandSpec spec = reads->CommandOf(item, &arguments_);
    const size_t size =
        batch.size_bytes() + kv::BatchBuilder::EncodedSize(spec);
    if (!batch.empty() &&
        (batch.count() >= limits.batch_commands || size > limits.batch_bytes)) {
      break;
    }
    batch.Add(spec);
    asked_.push_back(i);
    round = counters_.read_rounds;
  }
  const Buffer asked = batch.Finish();
  forwarding_.Read(asked, [this, asked, reads = std::move(reads)](
                              const raft::ProposeResult& answer) mutable {
    OnLeaderRead(std::move(reads), asked, answer);
  });
}

void ReadQueue::OnLeaderRead(std::unique_ptr<ReadList> reads,
                             const Buffer& asked,
                             const raft::ProposeResult& answer) {
  serving_ = std::move(reads);
  const std::string_view bytes = answer.result.view();
  const kv::ResultReader frame(bytes);
  if (answer.outcome != Outcome::kDone || !frame.ok() ||
      !frame.batch_accepted() || frame.count() > asked_.size() ||
      !kv::ResultsAnswer(bytes, asked.view(), frame.count())) {
    ++counters_.reads_failed;
    leadership_.Pause();
    leadership_.Refresh();
    return EndServing();
  }
  kv::ResultReader results(bytes);
  // Without any result, the first read needs an entry.
  if (results.done()) MoveToLog(serving_->items()[asked_.front()]);
  for (size_t i = 0; !results.done(); ++i) {
    Deliver(serving_->items()[asked_[i]], results.Next());
  }
  EndServing();
}

void ReadQueue::MoveToLog(ReadList::Item& item) {
  const kv::CommandSpec spec = serving_->CommandOf(item, &arguments_);
  --OrderOf(item.sink).issued_reads;
  batches_.Add(item.Request(), spec, results_.BytesOf(item.sink, spec));
  item.sink = nullptr;
}

void ReadQueue::Deliver(ReadList::Item& item, const kv::ResultView& result) {
  RequestSink* const sink = item.sink;
  // A read that follows one in the log has to be evaluated after it. The sink's
  // later reads stay behind it.
  const bool later = OrderOf(sink).reads_in_log > 0 ||
                     std::find(serving_later_.begin(), serving_later_.end(),
                               sink) != serving_later_.end();
  if (later) {
    serving_later_.push_back(sink);
    return;
  }
  const RoutedRequest request = item.Request();
  item.sink = nullptr;
  if (result.status == kv::ResultStatus::kNotOwner) {
    return Refuse(request, serving_->CommandOf(item, &arguments_),
                  item.deadline);
  }
  if (OrderOf(sink).parked_reads > 0 ||
      !RoomForResult({sink, item.token}, result)) {
    return Park(sink, item, *serving_, KeptResult(sink, result));
  }
  Answer(request, item.slot, result);
}

void ReadQueue::Refuse(RoutedRequest request, const kv::CommandSpec& spec,
                       MonoTime deadline) {
  --OrderOf(request.sink).issued_reads;
  if (!RefusedCommands::MayHold(spec.op)) {
    return request.sink->OnFailure(
        request.token, leadership_.MakeFailure(RequestFailure::Kind::kNoLeader,
                                               spec.slot, absl::OkStatus()));
  }
  request.deadline = deadline;
  kv::BatchBuilder alone;
  alone.Add(spec);
  parts_.refused.Hold({.request = request,
                       .slot = spec.slot,
                       .group = leadership_.group(),
                       .batch = alone.Finish()});
}

void ReadQueue::OnReadPoint(std::unique_ptr<ReadList> reads,
                            const absl::Status& status) {
  serving_ = std::move(reads);
  serving_next_ = 0;
  if (status.ok()) return ServeReads(/*own_turn=*/false);
  ++counters_.reads_failed;
  leadership_.Pause();
  EndServing();
}

bool ReadQueue::ServesInThisTurn(const ReadList::Item& item,
                                 bool own_turn) const {
  if (own_turn) return true;
  return !parts_.work.exhausted() &&
         item.arguments_count < TurnWork::kLongReadKeys;
}

void ReadQueue::PrefetchServing() const {
  const kv::Store* store = leadership_.store();
  if (store == nullptr) return;
  std::array<kv::Store::KeyOfSlot, kv::Store::kPrefetchMax> keys;
  size_t count = 0;
  const auto next = absl::MakeConstSpan(serving_->items())
                        .subspan(serving_next_, kv::Store::kPrefetchMax);
  for (const ReadList::Item& item : next) {
    if (item.sink == nullptr || item.arguments_count == 0) continue;
    keys[count++] = {item.slot, serving_->FirstArgumentOf(item)};
  }
  // A single key gains nothing.
  if (count > 1) store->Prefetch(absl::MakeConstSpan(keys.data(), count));
}

void ReadQueue::ServeReads(bool own_turn) {
  while (serving_next_ < serving_->items().size()) {
    if (serving_next_ % kv::Store::kPrefetchMax == 0) PrefetchServing();
    ReadList::Item& item = serving_->items()[serving_next_];
    if (item.sink != nullptr && !ServesInThisTurn(item, own_turn)) {
      continue_ = parts_.loop.At(parts_.loop.ReadClock().mono, [this] {
        parts_.work.Begin();
        ServeReads(/*own_turn=*/true);
      });
      return;
    }
    ++serving_next_;
    if (item.sink == nullptr) continue;
    own_turn = false;
    if (std::find(serving_later_.begin(), serving_later_.end(), item.sink) !=
        serving_later_.end()) {
      continue;
    }
    switch (Serve(item.Request(), serving_->CommandOf(item, &arguments_),
                  item.deadline)) {
      case Served::kDone:
        item.sink = nullptr;
        break;
      case Served::kNoRoom:
        Park(item.sink, item, *serving_, Buffer());
        item.sink = nullptr;
        break;
      case Served::kLater:
        serving_later_.push_back(item.sink);
        break;
    }
  }
  EndServing();
}

void ReadQueue::EndServing() {
  read_point_due_ = false;
  serving_later_.clear();
  std::unique_ptr<ReadList> reads = std::move(serving_);
  const bool kept = std::any_of(
      reads->items().begin(), reads->items().end(),
      [](const ReadList::Item& item) { return item.sink != nullptr; });
  if (kept) KeepReads(*reads);
  reads->Clear();
  spare_reads_ = std::move(reads);
  wake_();
}

ReadQueue::Served ReadQueue::Serve(const RoutedRequest& request,
                                   const kv::CommandSpec& spec,
                                   MonoTime deadline) {
  RequestSink::ConnectionOrder& order = OrderOf(request.sink);
  const kv::Store* here = leadership_.store();
  if (here == nullptr) {
    // The replica has stopped in the meantime.
    --order.issued_reads;
    MoveParkedToBatch(request.sink);
    batches_.Add(request, spec, results_.BytesOf(request.sink, spec));
    return Served::kDone;
  }
  if (order.reads_in_log > 0) return Served::kLater;
  if (!here->Owns(spec.slot)) {
    Refuse(request, spec, deadline);
    return Served::kDone;
  }
  // Reads of one sink are evaluated in order.
  if (order.parked_reads > 0) return Served::kNoRoom;
  if (!request.sink->RoomFor(request.token, 0)) return Served::kNoRoom;
  parts_.work.Add(TurnWork::OfRead(spec.arguments.size()));
  bool room = true;
  const bool done = !parts_.buggify.Fire("node.read_in_log") &&
                    here->Read(spec, leadership_.ReadTime(),
                               [&](const kv::ResultView& result) {
                                 room = RoomForElements(request, result);
                                 if (room) Answer(request, spec.slot, result);
                               });
  if (!room) return Served::kNoRoom;
  if (done) return Served::kDone;
  // A key is due by this node's clock, but not by log time, which decides. An
  // entry with the read advances log time.
  --order.issued_reads;
  batches_.Add(request, spec, results_.BytesOf(request.sink, spec));
  return Served::kDone;
}

bool ReadQueue::AwaitsRoom(RequestSink* sink) const {
  return !leadership_.hosted() && OrderOf(sink).parked_reads > 0;
}

// A result is kept only behind other kept results: reads that are evaluated
// again must not be older than it.
Buffer ReadQueue::KeptResult(RequestSink* sink,
                             const kv::ResultView& result) const {
  for (const RequestSink::ParkedRead& read : sink->routing().parked) {
    if (read.group == leadership_.group() && read.result.empty()) return {};
  }
  if (!parts_.budget.Fits(result.bytes.size())) return {};
  kv::ResultBuilder builder(kv::Version{});
  builder.AddEncoded(result);
  return builder.Finish();
}

void ReadQueue::Park(RequestSink* sink, const ReadList::Item& item,
                     const ReadList& reads, Buffer result) {
  parts_.budget.Reserve(result.size());
  const kv::CommandSpec spec = reads.CommandOf(item, &arguments_);
  sink->routing().parked.push_back(
      {std::move(result),
       leadership_.group(),
       item.token,
       item.numbers,
       item.slot,
       item.op,
       item.redirect,
       {spec.arguments.begin(), spec.arguments.end()}});
  ++OrderOf(sink).parked_reads;
}

std::vector<RequestSink::ParkedRead> ReadQueue::TakeParked(RequestSink* sink) {
  std::vector<RequestSink::ParkedRead>& all = sink->routing().parked;
  const auto first = std::stable_partition(
      all.begin(), all.end(), [this](const RequestSink::ParkedRead& read) {
        return read.group != leadership_.group();
      });
  std::vector<RequestSink::ParkedRead> taken(
      std::make_move_iterator(first), std::make_move_iterator(all.end()));
  all.erase(first, all.end());
  return taken;
}

void ReadQueue::ServeParked(RequestSink* sink) {
  wake_();
  const RequestSink::ConnectionOrder& state = OrderOf(sink);
  if (leadership_.store() == nullptr &&
      state.issued_reads > state.parked_reads) {
    // The replica has stopped while later reads of the sink await a read point.
    return MoveParkedToBatch(sink);
  }
  ReadList behind_log;
  bool no_room = false;
  for (RequestSink::ParkedRead& read : TakeParked(sink)) {
    no_room = no_room || !ServeParkedRead(sink, read, &behind_log);
    if (no_room) sink->routing().parked.push_back(std::move(read));
  }
  if (!behind_log.items().empty()) {
    KeepReads(behind_log);
    OrderOf(sink).parked_went_back = true;
  }
  if (!no_room) RenewDeadlines(sink);
}

bool ReadQueue::ServeParkedRead(RequestSink* sink,
                                const RequestSink::ParkedRead& read,
                                ReadList* behind_log) {
  RequestSink::ConnectionOrder& order = OrderOf(sink);
  const kv::CommandSpec spec = ParkedCommand(read, &arguments_);
  const RoutedRequest request = {sink, read.token, read.redirect};
  if (!read.result.empty()) {
    kv::ResultReader reader(read.result.view());
    const kv::ResultView result = reader.Next();
    if (!RoomForResult(request, result)) return false;
    parts_.budget.Release(read.result.size());
    --order.parked_reads;
    Answer(request, read.slot, result);
    return true;
  }
  if (order.reads_in_log > 0 || leadership_.store() == nullptr) {
    // The read in the log may observe more than this node has applied. So the
    // other reads need a read point after it. Without a replica the leader
    // evaluates them.
    --order.parked_reads;
    behind_log->Append(request, NewDeadline(), spec);
    return true;
  }
  // The read is the first of those left, so no read of this group precedes it.
  const uint32_t left = std::exchange(order.parked_reads, 0);
  const bool done = Serve(request, spec, NewDeadline()) == Served::kDone;
  OrderOf(sink).parked_reads = left - (done ? 1 : 0);
  return done;
}

void ReadQueue::RenewDeadlines(RequestSink* sink) {
  for (ReadList::Item& item : reads_->items()) {
    if (item.sink == sink) item.deadline = NewDeadline();
  }
}

void ReadQueue::DropParked(RequestSink* sink) {
  for (const RequestSink::ParkedRead& read : TakeParked(sink)) {
    RequestSink::ConnectionOrder& order = OrderOf(sink);
    --order.parked_reads;
    --order.issued_reads;
    parts_.budget.Release(read.result.size());
    sink->OnFailure(read.token,
                    leadership_.MakeFailure(RequestFailure::Kind::kNoLeader,
                                            read.slot, absl::OkStatus()));
  }
}

void ReadQueue::KeepReads(const ReadList& reads) {
  const std::unique_ptr<ReadList> later = std::move(reads_);
  reads_ = std::make_unique<ReadList>();
  std::vector<RequestSink*> unsorted;
  for (const ReadList::Item& item : reads.items()) {
    if (item.sink == nullptr) continue;
    RequestSink::ConnectionOrder& order = OrderOf(item.sink);
    // Parked reads may be older than the reads put back here.
    if (std::exchange(order.parked_went_back, false)) {
      unsorted.push_back(item.sink);
    }
    --order.issued_reads;
    ++order.waiting_reads;
    ++waiting_requests_;
    KeepRead(item, reads);
  }
  for (const ReadList::Item& item : later->items()) {
    if (item.sink != nullptr) KeepRead(item, *later);
  }
  for (RequestSink* sink : unsorted) SortReadsOf(sink);
}

void ReadQueue::SortReadsOf(RequestSink* sink) {
  std::vector<size_t> places;
  std::vector<ReadList::Item> sorted;
  for (size_t i = 0; i < reads_->items().size(); ++i) {
    if (reads_->items()[i].sink != sink) continue;
    places.push_back(i);
    sorted.push_back(reads_->items()[i]);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const ReadList::Item& a, const ReadList::Item& b) {
                     return a.token < b.token;
                   });
  for (size_t i = 0; i < places.size(); ++i) {
    reads_->items()[places[i]] = sorted[i];
  }
}

void ReadQueue::KeepRead(const ReadList::Item& item, const ReadList& reads) {
  reads_->Append(item.Request(), item.deadline,
                 reads.CommandOf(item, &arguments_));
}

void ReadQueue::ExpireWaiting() {
  const MonoTime now = parts_.loop.ReadClock().mono;
  const absl::Status why = leadership_.Unservable();
  if (why.ok() && next_deadline() > now) return;
  // Answers may add reads, so the list is moved away first.
  std::unique_ptr<ReadList> reads = std::move(reads_);
  reads_ = std::make_unique<ReadList>();
  for (const ReadList::Item& item : reads->items()) {
    if (item.sink == nullptr) continue;
    if (why.ok() && (item.deadline > now || AwaitsRoom(item.sink))) {
      KeepRead(item, *reads);
      continue;
    }
    --OrderOf(item.sink).waiting_reads;
    --waiting_requests_;
    if (why.ok()) ++counters_.leader_wait_expired;
    Fail(item,
         why.ok() ? RequestFailure::Kind::kNoLeader
                  : RequestFailure::Kind::kRefused,
         why);
  }
}

MonoTime ReadQueue::next_deadline() const {
  MonoTime next = MonoTime::Max();
  for (const ReadList::Item& item : reads_->items()) {
    if (item.sink == nullptr || AwaitsRoom(item.sink)) continue;
    next = std::min(next, item.deadline);
  }
  return next;
}

void ReadQueue::Fail(const ReadList::Item& item, RequestFailure::Kind kind,
                     const absl::Status& why) {
  item.sink->OnFailure(item.token,
                       leadership_.MakeFailure(kind, item.slot, why));
}

}  // namespace quorate::node
