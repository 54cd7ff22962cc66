// The read path of GroupQueue and what concerns waiting: read points, deadlines, unblocking.
#include <algorithm>
#include <utility>

#include "node/commands/read_command.h"
#include "node/routing/group_queue.h"

namespace quorate::node {

void GroupQueue::FailRead(const ReadItem& item, Failure::Kind kind,
                          const absl::Status& why) {
  item.requester->OnFailure(item.token, MakeFailure(kind, item.slot, why));
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
    if (item.requester == nullptr) continue;
    Requester::Order& order = item.requester->OrderOf(group_);
    if (order.reads_in_log > 0) {
      // A follower may not have applied what the result of that read will show: this one needs a read point after it.
      KeepRead(item, *reads);
      item.requester = nullptr;
      continue;
    }
    --waiting_requests_;
    --order.waiting_reads;
    if (remote && item.redirect) {
      FailRead(item, Failure::Kind::kMoved, absl::OkStatus());
      item.requester = nullptr;
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
    if (item.requester == nullptr || !status.ok()) continue;
    const Ask ask = {item.requester, item.token, item.redirect};
    switch (Serve(ask, SpecOf(item, *reads))) {
      case Served::kDone:
        item.requester = nullptr;
        break;
      case Served::kNoRoom:
        Park(item, *reads);
        item.requester = nullptr;
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

GroupQueue::Served GroupQueue::Serve(const Ask& ask,
                                     const kv::CommandSpec& spec) {
  Requester::Order& order = ask.requester->OrderOf(group_);
  const kv::Store* here = store();
  if (here == nullptr) {
    // The replica has stopped meanwhile.
    --order.issued_reads;
    MoveParkedToBatch(ask.requester);
    AddReadToLane(ask, spec, ResultBytes(ask.requester, spec));
    return Served::kDone;
  }
  if (order.reads_in_log > 0) return Served::kLater;
  if (!here->Owns(spec.slot)) {
    --order.issued_reads;
    ask.requester->OnFailure(
        ask.token,
        MakeFailure(Failure::Kind::kNoLeader, spec.slot, absl::OkStatus()));
    return Served::kDone;
  }
  // Reads of one requester are evaluated in their order.
  if (order.parked_reads > 0) return Served::kNoRoom;
  const size_t bytes =
      spec.arguments.size() > 1 ? ResultBytes(ask.requester, spec) : 0;
  if (!ask.requester->RoomFor(ask.token, bytes)) return Served::kNoRoom;
  const bool done =
      EvaluateRead(*here, spec, parts_.loop.ReadClock().wall.earliest,
                   [&](const kv::ResultView& result) {
                     --ask.requester->OrderOf(group_).issued_reads;
                     ask.requester->OnResult(ask.token, result);
                   });
  if (done) return Served::kDone;
  // A key is due by this node's clock but not by log time, which alone decides: the entry that carries the read moves it.
  --order.issued_reads;
  AddReadToLane(ask, spec, ResultBytes(ask.requester, spec));
  return Served::kDone;
}

void GroupQueue::Park(const ReadItem& item, const Reads& reads) {
  const kv::CommandSpec spec = SpecOf(item, reads);
  item.requester->parked_.push_back(
      {group_,
       item.token,
       item.numbers,
       item.slot,
       item.op,
       item.redirect,
       {spec.arguments.begin(), spec.arguments.end()}});
  ++item.requester->OrderOf(group_).parked_reads;
}

void GroupQueue::ServeParked(Requester* requester) {
  std::vector<Requester::ParkedRead> parked;
  parked.swap(requester->parked_);
  Reads behind_log;
  bool no_room = false;
  for (Requester::ParkedRead& read : parked) {
    if (no_room || read.group != group_) {
      requester->parked_.push_back(std::move(read));
      continue;
    }
    if (requester->OrderOf(group_).reads_in_log > 0) {
      // That read may show more than this node has applied: the others need a read point after it.
      --requester->OrderOf(group_).parked_reads;
      AppendRead(read, requester, &behind_log);
      continue;
    }
    arguments_.assign(read.arguments.begin(), read.arguments.end());
    kv::CommandSpec spec;
    spec.op = read.op;
    spec.slot = read.slot;
    spec.numbers = read.numbers;
    spec.arguments = arguments_;
    const Ask ask = {requester, read.token, read.redirect};
    // The first of those that are left: nothing of this group stands before it.
    const uint32_t left =
        std::exchange(requester->OrderOf(group_).parked_reads, 0);
    const Served served = Serve(ask, spec);
    Requester::Order& order = requester->OrderOf(group_);
    order.parked_reads = left;
    if (served == Served::kDone) {
      --order.parked_reads;
    } else {
      no_room = true;
      requester->parked_.push_back(std::move(read));
    }
  }
  if (!behind_log.items.empty()) {
    KeepReads(behind_log);
    requester->OrderOf(group_).parked_went_back = true;
  }
  callbacks_.wake();
}

void GroupQueue::AppendRead(const Requester::ParkedRead& read,
                            Requester* requester, Reads* reads) const {
  reads->items.push_back({
      .requester = requester,
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

void GroupQueue::DropParked(Requester* requester) {
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
    requester->OnFailure(read.token, MakeFailure(Failure::Kind::kNoLeader,
                                                 read.slot, absl::OkStatus()));
  }
}

// In front of those that came meanwhile.
void GroupQueue::KeepReads(const Reads& reads) {
  const std::unique_ptr<Reads> later = std::move(reads_);
  reads_ = std::make_unique<Reads>();
  std::vector<Requester*> unsorted;
  for (const ReadItem& item : reads.items) {
    if (item.requester == nullptr) continue;
    Requester::Order& order = item.requester->OrderOf(group_);
    // What was parked may be older than what comes back here.
    if (std::exchange(order.parked_went_back, false)) {
      unsorted.push_back(item.requester);
    }
    --order.issued_reads;
    ++order.waiting_reads;
    ++waiting_requests_;
    KeepRead(item, reads);
  }
  for (const ReadItem& item : later->items) {
    if (item.requester != nullptr) KeepRead(item, *later);
  }
  for (Requester* requester : unsorted) SortReadsOf(requester);
}

void GroupQueue::SortReadsOf(Requester* requester) {
  std::vector<size_t> places;
  std::vector<ReadItem> sorted;
  for (size_t i = 0; i < reads_->items.size(); ++i) {
    if (reads_->items[i].requester != requester) continue;
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
  const kv::CommandSpec spec = SpecOf(item, reads);
  kept.arguments_offset = reads_->arena.size();
  for (const std::string_view argument : spec.arguments) {
    AppendArgument(&reads_->arena, argument);
  }
  reads_->items.push_back(kept);
}

void GroupQueue::ExpireWaiting() {
  const MonoTime now = MonoNow();
  while (!waiting_.empty() && waiting_.front().deadline <= now) {
    // Behind a leader that takes proposals nothing expires: it waits for room.
    if (Submittable() && now >= retry_at_) break;
    Batch batch = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_requests_ -= batch.items.size();
    counters_.leader_wait_expired += batch.items.size();
    FailBatch(batch, Failure::Kind::kNoLeader, absl::OkStatus());
  }
  bool expired = false;
  for (ReadItem& item : reads_->items) {
    if (item.requester == nullptr || item.deadline > now) continue;
    expired = true;
  }
  if (!expired) return;
  // Answers may add reads: take the list away first.
  std::unique_ptr<Reads> reads = std::move(reads_);
  reads_ = std::make_unique<Reads>();
  for (const ReadItem& item : reads->items) {
    if (item.requester == nullptr) continue;
    if (item.deadline > now) {
      KeepRead(item, *reads);
      continue;
    }
    --item.requester->OrderOf(group_).waiting_reads;
    --waiting_requests_;
    ++counters_.leader_wait_expired;
    FailRead(item, Failure::Kind::kNoLeader, absl::OkStatus());
  }
}

void GroupQueue::UnblockRequesters() {
  if (blocked_.empty() ||
      waiting_requests_ * 2 > parts_.config.limits.held_requests) {
    return;
  }
  std::vector<Requester*> blocked;
  blocked.swap(blocked_);
  for (Requester* requester : blocked) {
    --requester->blocked_queues_;
    requester->OnUnblocked();
  }
}

MonoTime GroupQueue::next_deadline() const {
  if (waiting_.empty() && reads_->items.empty()) return MonoTime::Max();
  const bool pausing = parts_.loop.ReadClock().mono < retry_at_;
  // Waits for room or a read point; an answer will wake it.
  if (!pausing && leadership_.kind != Leadership::Kind::kUnknown &&
      (Submittable() || waiting_.empty())) {
    return MonoTime::Max();
  }
  MonoTime next = pausing ? retry_at_ : MonoTime::Max();
  if (!waiting_.empty()) next = std::min(next, waiting_.front().deadline);
  for (const ReadItem& item : reads_->items) {
    if (item.requester != nullptr) next = std::min(next, item.deadline);
  }
  return next;
}

}  // namespace quorate::node
