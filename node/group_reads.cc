// The read path of GroupQueue and what concerns waiting: read points, deadlines, unblocking.
#include <algorithm>
#include <utility>

#include "node/group_queue.h"
#include "node/read_command.h"

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
    --waiting_requests_;
    Requester::Order& order = item.requester->OrderOf(group_);
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
  const quorate::Now clock = parts_.loop.ReadClock();
  const kv::Store* here = store();
  read_point_due_ = false;
  if (!status.ok()) {
    ++counters_.reads_failed;
    retry_at_ = clock.mono + kRetryDelay;
  }
  std::vector<Requester*> in_log;
  if (!status.ok()) KeepReads(*reads);
  for (const ReadItem& item : reads->items) {
    if (item.requester == nullptr || !status.ok()) continue;
    if (!here->Owns(item.slot)) {
      --item.requester->OrderOf(group_).issued_reads;
      FailRead(item, Failure::Kind::kNoLeader, absl::OkStatus());
      continue;
    }
    // Behind one of the same requester that goes into the log, it goes there too.
    const bool done =
        item.requester->OrderOf(group_).reads_in_log == 0 &&
        EvaluateRead(*here, SpecOf(item, *reads), clock.wall.earliest,
                     [&](const kv::ResultView& result) {
                       --item.requester->OrderOf(group_).issued_reads;
                       item.requester->OnResult(item.token, result);
                     });
    if (!done) {
      --item.requester->OrderOf(group_).issued_reads;
      ReadInLog(item, *reads);
      in_log.push_back(item.requester);
    }
  }
  // So do those that came meanwhile: at a follower they might miss what an entry showed that it has yet to apply.
  for (Requester* requester : in_log) MoveReadsToBatch(requester);
  reads->items.clear();
  reads->arena.clear();
  spare_reads_ = std::move(reads);
  callbacks_.wake();
}

// A key is due by this node's clock but not by log time, which alone decides: the entry that carries the read moves it.
void GroupQueue::ReadInLog(const ReadItem& item, const Reads& reads) {
  const Ask ask = {item.requester, item.token, item.redirect};
  const kv::CommandSpec spec = SpecOf(item, reads);
  Lane& lane = LaneFor(ask, kv::BatchBuilder::EncodedSize(spec));
  lane.builder.Add(spec);
  AddItem(lane, ask, item.slot, false);
  ++counters_.reads_in_log;
}

// In front of those that came meanwhile.
void GroupQueue::KeepReads(const Reads& reads) {
  const std::unique_ptr<Reads> later = std::move(reads_);
  reads_ = std::make_unique<Reads>();
  for (const ReadItem& item : reads.items) {
    if (item.requester == nullptr) continue;
    Requester::Order& order = item.requester->OrderOf(group_);
    --order.issued_reads;
    ++order.waiting_reads;
    ++waiting_requests_;
    KeepRead(item, reads);
  }
  for (const ReadItem& item : later->items) {
    if (item.requester != nullptr) KeepRead(item, *later);
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
  for (Requester* requester : blocked) requester->OnUnblocked();
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
