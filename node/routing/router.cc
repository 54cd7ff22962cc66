#include "node/routing/router.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "env/check.h"
#include "env/outcome.h"
#include "kv/store/store.h"

namespace quorate::node {

Router::Router(env::Env& env, raft::Host& host, const Config& config,
               const shardctrl::ShardMap& map, OutputBudget& budget,
               MemoryBudget& memory, TurnWork& work)
    : env_(env),
      links_(env, config),
      view_(env, host, config, map, links_),
      parts_{env.loop, env.buggify, host,   config, links_,
             view_,    budget,      memory, work},
      alarm_(env.loop, [this] {
        for (const size_t index : timed_) Wake(index);
      }) {
  for (const shardctrl::Group& group : map.groups()) {
    const size_t index = queues_.size();
    queues_.push_back(std::make_unique<GroupQueue>(
        parts_, group.id,
        GroupQueue::Callbacks{.wake = [this, index] { Wake(index); },
                              .leadership_changed =
                                  [this] {
                                    leadership_changed_ = true;
                                    Defer();
                                  }}));
  }
  is_woken_.resize(queues_.size());
  for (const shardctrl::Assignment& assignment : map.assignments()) {
    ranges_.emplace_back(assignment.slots.first, FindQueue(assignment.group));
  }
}

void Router::Start() {
  links_.Start(
      [this](PeerRequest request, PeerDone done) {
        OnPeerRequest(std::move(request), std::move(done));
      },
      [this] { WakeAll(); }, &view_);
  // Without delay: a request may arrive before the first flush of this turn.
  for (size_t i = 0; i < queues_.size(); ++i) {
    queues_[i]->RefreshLeadership();
    queues_[i]->NoteApplied();  // A snapshot may have been loaded.
    Wake(i);
  }
  view_.SetObserver([this] {
    for (size_t i = 0; i < queues_.size(); ++i) {
      const GroupQueue& queue = *queues_[i];
      if (!queue.hosted() || !view_.OwnStatus(queue.group()).ok()) Wake(i);
    }
  });
  view_.Start();
}

void Router::OnReplicasStopped() {
  view_.OnOwnChange();
  WakeAll();
}

// The queues take turns to be the first one, which finds most room on a link.
void Router::WakeAll() {
  for (size_t i = 0; i < queues_.size(); ++i) {
    Wake((first_woken_ + i) % queues_.size());
  }
  first_woken_ = (first_woken_ + 1) % queues_.size();
}

void Router::OnPeerRequest(PeerRequest request, PeerDone done) {
  GroupQueue* const queue = FindQueue(request.group);
  if (queue == nullptr || refuses_peers_) {
    PeerResult refusal;
    refusal.result.outcome = Outcome::kNotExecuted;
    refusal.result.status = absl::UnavailableError(
        queue == nullptr ? "no such group" : "the node is stopping");
    return done(std::move(refusal));
  }
  switch (request.kind) {
    case PeerRequest::Kind::kOpen:
      return done(queue->OpenForPeer(request.stamp));
    case PeerRequest::Kind::kApply:
      return queue->ApplyForPeer(request.stamp, std::move(request.payload),
                                 std::move(done));
    case PeerRequest::Kind::kRead:
      return queue->ReadForPeer(std::move(request.payload), std::move(done));
  }
}

GroupQueue& Router::QueueOf(Slot slot) {
  const auto behind = std::ranges::upper_bound(
      ranges_, slot, {}, [](const auto& range) { return range.first; });
  return *std::prev(behind)->second;
}

GroupQueue* Router::FindQueue(GroupId group) {
  const auto found = std::lower_bound(
      queues_.begin(), queues_.end(), group,
      [](const auto& queue, GroupId id) { return queue->group() < id; });
  if (found == queues_.end() || (*found)->group() != group) return nullptr;
  return found->get();
}

void Router::OnLeadershipEvent(GroupId group) {
  for (size_t i = 0; i < queues_.size(); ++i) {
    if (queues_[i]->group() != group) continue;
    Wake(i);
  }
}

void Router::OnApplied(GroupId group) {
  const auto found = std::ranges::lower_bound(
      queues_, group, {}, [](const auto& queue) { return queue->group(); });
  CHECK(found != queues_.end() && (*found)->group() == group) << group;
  (*found)->NoteApplied();
  if (!(*found)->awaits_leaders_entry()) return;
  Wake(static_cast<size_t>(found - queues_.begin()));
}

void Router::ForgetBlocked(RequestSink* sink) {
  for (const auto& queue : queues_) queue->ForgetBlocked(sink);
}

std::vector<GroupId> Router::GroupsOfParked(RequestSink& sink) {
  std::vector<GroupId> groups;
  for (const RequestSink::ParkedRead& read : sink.routing().parked) {
    if (std::find(groups.begin(), groups.end(), read.group) == groups.end()) {
      groups.push_back(read.group);
    }
  }
  return groups;
}

void Router::ServeParked(RequestSink* sink) {
  for (const GroupId group : GroupsOfParked(*sink)) {
    FindQueue(group)->ServeParked(sink);
  }
}

void Router::DropParked(RequestSink* sink) {
  for (const GroupId group : GroupsOfParked(*sink)) {
    FindQueue(group)->DropParked(sink);
  }
}

bool Router::idle() const {
  return links_.held_bytes() == 0 &&
         std::all_of(queues_.begin(), queues_.end(), [](const auto& queue) {
           return queue->waiting_requests() == 0 && queue->inflight() == 0;
         });
}

void Router::Wake(size_t index) {
  if (!is_woken_[index]) {
    is_woken_[index] = true;
    woken_.push_back(index);
  }
  Defer();
}

void Router::Defer() {
  if (flush_deferred_) return;
  flush_deferred_ = true;
  deferred_ = env_.loop.Defer([this] { Flush(); });
}

void Router::Flush() {
  flush_deferred_ = false;
  std::vector<size_t> woken;
  woken.swap(woken_);
  for (const size_t index : woken) is_woken_[index] = false;
  for (const size_t index : woken) {
    queues_[index]->Flush();
    if (queues_[index]->next_deadline() != MonoTime::Max()) {
      timed_.insert(index);
    } else {
      timed_.erase(index);
    }
  }
  if (std::exchange(leadership_changed_, false) && on_leadership_) {
    on_leadership_();
  }
  if (woken_.empty()) {
    woken.clear();
    woken_.swap(woken);  // Keeps the capacity.
  }
  SetAlarm();
}

void Router::SetAlarm() {
  MonoTime next = MonoTime::Max();
  for (const size_t index : timed_) {
    next = std::min(next, queues_[index]->next_deadline());
  }
  alarm_.SetFor(next);
}

WallTime Router::LogTime() const {
  WallTime latest;
  for (const auto& queue : queues_) {
    const kv::Store* const store = queue->store();
    if (store != nullptr) latest = std::max(latest, store->log_time());
  }
  return latest;
}

}  // namespace quorate::node
