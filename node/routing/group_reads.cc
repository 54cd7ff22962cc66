// The read path of GroupQueue: read points, parked reads, deadlines,
// unblocking.
#include <algorithm>
#include <utility>

#include "node/commands/read_command.h"
#include "node/routing/group_queue.h"

namespace quorate::node {

void GroupQueue::FailRead(const ReadItem& item, RequestFailure::Kind kind,
                          const absl::Status& why) {
  item.sink->OnFailure(item.token, MakeFailure(kind, item.slot, why));
}

void GroupQueue::IssueReads() {
  if (read_point_due_ || reads_->items.empty() ||
      leadership_.kind == Leadership::Kind::kUnknown) {
    return;
  }
  std::unique_ptr<Reads> reads = std::move(reads_);
  reads_ = spare_reads_ != nullptr ? std::move(spare_reads_)
                                   : std::make_unique<Reads>();
  const bool remote = leadership_.kind == Leadership::Kind::kRemote;
  bool any = false;
  for (ReadItem& item : reads->items) {
    if (item.sink == nullptr) continue;
    RequestSink::ConnectionOrder& order = item.sink->OrderOf(group_);
    if (order.reads_in_log > 0) {
      // This node may not have applied what the read in the log observes. So
      // this read needs a read point after it.
      KeepRead(item, *reads);
      item.sink = nullptr;
      continue;
    }
    --waiting_requests_;
    --order.waiting_reads;
    if (remote && item.redirect) {
      FailRead(item, RequestFailure::Kind::kMoved, absl::OkStatus());
      item.sink = nullptr;
      continue;
    }
    ++order.issued_reads;
    any = true;
  }
  if (!any) return;
  read_point_due_ = true;
  ++counters_.read_rounds;
  parts_.host.Read(
      group_, [this, reads = std::move(reads)](absl::Status status) mutable {
        OnReadPoint(std::move(reads), status);
      });
}

void GroupQueue::OnReadPoint(std::unique_ptr<Reads> reads,
                             const absl::Status& status) {
  read_point_due_ = false;
  if (!status.ok()) {
    ++counters_.reads_failed;
    retry_at_ = MonoNow() + kRetryDelay;
  }
  bool kept = !status.ok();
  for (ReadItem& item : reads->items) {
    if (item.sink == nullptr || !status.ok()) continue;
    const RoutedRequest request = {item.sink, item.token, item.redirect};
    switch (Serve(request, CommandOf(item, *reads))) {
      case Served::kDone:
        item.sink = nullptr;
        break;
      case Served::kNoRoom:
        Park(item, *reads);
        item.sink = nullptr;
        break;
      case Served::kLater:
        kept = true;
        break;
    }
  }
  if (kept) KeepReads(*reads);
  reads->items.clear();
  reads->arena.clear();
  spare_reads_ = std::move(reads);
  callbacks_.wake();
}

GroupQueue::Served GroupQueue::Serve(const RoutedRequest& request,
                                     const kv::CommandSpec& spec) {
  RequestSink::ConnectionOrder& order = request.sink->OrderOf(group_);
  const kv::Store* here = store();
  if (here == nullptr) {
    // The replica has stopped in the meantime.
    --order.issued_reads;
    MoveParkedToBatch(request.sink);
    AddReadToBatch(request, spec, ResultBytes(request.sink, spec));
    return Served::kDone;
  }
  if (order.reads_in_log > 0) return Served::kLater;
  if (!here->Owns(spec.slot)) {
    --order.issued_reads;
    request.sink->OnFailure(
        request.token, MakeFailure(RequestFailure::Kind::kNoLeader, spec.slot,
                                   absl::OkStatus()));
    return Served::kDone;
  }
  // Reads of one sink are evaluated in order.
  if (order.parked_reads > 0) return Served::kNoRoom;
  const size_t bytes =
      spec.arguments.size() > 1 ? ResultBytes(request.sink, spec) : 0;
  if (!request.sink->RoomFor(request.token, bytes)) return Served::kNoRoom;
  const bool done =
      EvaluateRead(*here, spec, parts_.loop.ReadClock().wall.earliest,
                   [&](const kv::ResultView& result) {
                     --request.sink->OrderOf(group_).issued_reads;
                     request.sink->OnResult(request.token, result);
                   });
  if (done) return Served::kDone;
  // A key is due by this node's clock, but not by log time, which decides. An
  // entry with the read advances log time.
  --order.issued_reads;
  AddReadToBatch(request, spec, ResultBytes(request.sink, spec));
  return Served::kDone;
}

void GroupQueue::Park(const ReadItem& item, const Reads& reads) {
  const kv::CommandSpec spec = CommandOf(item, reads);
  item.sink->parked_.push_back(
      {group_,
       item.token,
       item.numbers,
       item.slot,
       item.op,
       item.redirect,
       {spec.arguments.begin(), spec.arguments.end()}});
  ++item.sink->OrderOf(group_).parked_reads;
}

void GroupQueue::ServeParked(RequestSink* sink) {
  std::vector<RequestSink::ParkedRead> parked;
  parked.swap(sink->parked_);
  Reads behind_log;
  bool no_room = false;
  for (RequestSink::ParkedRead& read : parked) {
    if (no_room || read.group != group_) {
      sink->parked_.push_back(std::move(read));
      continue;
    }
    if (sink->OrderOf(group_).reads_in_log > 0) {
      // The read in the log may observe more than this node has applied. So the
      // other reads need a read point after it.
      --sink->OrderOf(group_).parked_reads;
      AppendRead(read, sink, &behind_log);
      continue;
    }
    arguments_.assign(read.arguments.begin(), read.arguments.end());
    kv::CommandSpec spec;
    spec.op = read.op;
    spec.slot = read.slot;
    spec.numbers = read.numbers;
    spec.arguments = arguments_;
    const RoutedRequest request = {sink, read.token, read.redirect};
    // The read is the first of those left, so no read of this group precedes
    // it.
    const uint32_t left = std::exchange(sink->OrderOf(group_).parked_reads, 0);
    const Served served = Serve(request, spec);
    RequestSink::ConnectionOrder& order = sink->OrderOf(group_);
    order.parked_reads = left;
    if (served == Served::kDone) {
      --order.parked_reads;
    } else {
      no_room = true;
      sink->parked_.push_back(std::move(read));
    }
  }
  if (!behind_log.items.empty()) {
    KeepReads(behind_log);
    sink->OrderOf(group_).parked_went_back = true;
  }
  callbacks_.wake();
}

void GroupQueue::AppendRead(const RequestSink::ParkedRead& read,
                            RequestSink* sink, Reads* reads) const {
  reads->items.push_back({
      .sink = sink,
      .token = read.token,
      .deadline = MonoNow() + parts_.config.timeouts.leader_wait,
      .numbers = read.numbers,
      .arguments_offset = reads->arena.size(),
      .arguments_count = static_cast<uint32_t>(read.arguments.size()),
      .slot = read.slot,
      .op = read.op,
      .redirect = read.redirect,
  });
  for (const std::string& argument : read.arguments) {
    AppendArgument(&reads->arena, argument);
  }
}

void GroupQueue::DropParked(RequestSink* sink) {
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
    sink->OnFailure(read.token, MakeFailure(RequestFailure::Kind::kNoLeader,
                                            read.slot, absl::OkStatus()));
  }
}

// Puts the reads back in front of those that arrived in the meantime.
void GroupQueue::KeepReads(const Reads& reads) {
  const std::unique_ptr<Reads> later = std::move(reads_);
  reads_ = std::make_unique<Reads>();
  std::vector<RequestSink*> unsorted;
  for (const ReadItem& item : reads.items) {
    if (item.sink == nullptr) continue;
    RequestSink::ConnectionOrder& order = item.sink->OrderOf(group_);
    // Parked reads may be older than the reads put back here.
    if (std::exchange(order.parked_went_back, false)) {
      unsorted.push_back(item.sink);
    }
    --order.issued_reads;
    ++order.waiting_reads;
    ++waiting_requests_;
    KeepRead(item, reads);
  }
  for (const ReadItem& item : later->items) {
    if (item.sink != nullptr) KeepRead(item, *later);
  }
  for (RequestSink* sink : unsorted) SortReadsOf(sink);
}

void GroupQueue::SortReadsOf(RequestSink* sink) {
  std::vector<size_t> places;
  std::vector<ReadItem> sorted;
  for (size_t i = 0; i < reads_->items.size(); ++i) {
    if (reads_->items[i].sink != sink) continue;
    places.push_back(i);
    sorted.push_back(reads_->items[i]);
  }
  std::stable_sort(
      sorted.begin(), sorted.end(),
      [](const ReadItem& a, const ReadItem& b) { return a.token < b.token; });
  for (size_t i = 0; i < places.size(); ++i) {
    reads_->items[places[i]] = sorted[i];
  }
}

void GroupQueue::KeepRead(const ReadItem& item, const Reads& reads) {
  ReadItem kept = item;
  const kv::CommandSpec spec = CommandOf(item, reads);
  kept.arguments_offset = reads_->arena.size();
  for (const std::string_view argument : spec.arguments) {
    AppendArgument(&reads_->arena, argument);
  }
  reads_->items.push_back(kept);
}

void GroupQueue::ExpireWaiting() {
  const MonoTime now = MonoNow();
  while (!waiting_.empty() && waiting_.front().deadline <= now) {
    // While a leader accepts proposals nothing expires: the batch waits for
    // room.
    if (Submittable() && now >= retry_at_) break;
    Batch batch = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_requests_ -= batch.items.size();
    counters_.leader_wait_expired += batch.items.size();
    FailBatch(batch, RequestFailure::Kind::kNoLeader, absl::OkStatus());
  }
  bool expired = false;
  for (ReadItem& item : reads_->items) {
    if (item.sink == nullptr || item.deadline > now) continue;
    expired = true;
  }
  if (!expired) return;
  // Answers may add reads, so the list is moved away first.
  std::unique_ptr<Reads> reads = std::move(reads_);
  reads_ = std::make_unique<Reads>();
  for (const ReadItem& item : reads->items) {
    if (item.sink == nullptr) continue;
    if (item.deadline > now) {
      KeepRead(item, *reads);
      continue;
    }
    --item.sink->OrderOf(group_).waiting_reads;
    --waiting_requests_;
    ++counters_.leader_wait_expired;
    FailRead(item, RequestFailure::Kind::kNoLeader, absl::OkStatus());
  }
}

void GroupQueue::UnblockSinks() {
  if (blocked_.empty() ||
      waiting_requests_ * 2 > parts_.config.limits.held_requests) {
    return;
  }
  std::vector<RequestSink*> blocked;
  blocked.swap(blocked_);
  for (RequestSink* sink : blocked) {
    --sink->blocked_queues_;
    sink->OnUnblocked();
  }
}

MonoTime GroupQueue::next_deadline() const {
  if (waiting_.empty() && reads_->items.empty()) return MonoTime::Max();
  const bool pausing = parts_.loop.ReadClock().mono < retry_at_;
  // The queue waits for room or for a read point; an answer will wake it.
  if (!pausing && leadership_.kind != Leadership::Kind::kUnknown &&
      (Submittable() || waiting_.empty())) {
    return MonoTime::Max();
  }
  MonoTime next = pausing ? retry_at_ : MonoTime::Max();
  if (!waiting_.empty()) next = std::min(next, waiting_.front().deadline);
  for (const ReadItem& item : reads_->items) {
    if (item.sink != nullptr) next = std::min(next, item.deadline);
  }
  return next;
}

}  // namespace quorate::node
