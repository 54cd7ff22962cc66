#include "node/routing/router.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "env/check.h"
#include "env/outcome.h"
#include "kv/store/store.h"

namespace quorate::node {
namespace {

// A stop begins when other nodes lead. They are known within this.
constexpr Duration kStopWait = Milliseconds(200);

// The last slot of a command on whole slots (kv::SlotsOf), or on keys of one
// slot.
Slot LastSlotOf(const kv::CommandSpec& spec) {
  const auto slots = kv::SlotsOf(spec.op, spec.numbers);
  return slots.has_value() ? Slot(static_cast<uint16_t>(slots->second))
                           : spec.slot;
}

bool SlotsAgree(const kv::CommandView& command, const Router::SlotOf& slot_of) {
  const uint32_t step = kv::KeyStep(command.op);
  kv::ArgumentReader arguments = command.arguments;
  for (uint32_t i = 0; step > 0 && i < command.arguments.count(); ++i) {
    const std::string_view argument = arguments.Next();
    if (i % step != 0) continue;
    const kv::SlotKey of = kv::KeyOf(command.op, command.slot, argument);
    if (slot_of(of.key) != of.slot) return false;
  }
  return true;
}

// Whether each key of the batch of another node belongs to the slot of its
// command. Malformed commands do nothing.
bool SlotsAgree(const Buffer& batch, const Router::SlotOf& slot_of) {
  kv::CommandReader reader(batch.view());
  kv::CommandView command;
  while (reader.ok() && !reader.done()) {
    if (!reader.Next(&command)) continue;
    if (!SlotsAgree(command, slot_of)) return false;
    if (command.op != kv::Op::kAtomic) continue;
    kv::CommandReader nested = kv::CommandReader::Nested(command);
    kv::CommandView one;
    while (!nested.done()) {
      if (nested.Next(&one) && !SlotsAgree(one, slot_of)) return false;
    }
  }
  return true;
}

}  // namespace

Router::Router(env::Env& env, raft::Host& host, const Config& config,
               ClusterMap& cluster, OutputBudget& budget, MemoryBudget& memory,
               TurnWork& work, SlotOf slot_of)
    : env_(env),
      slot_of_(std::move(slot_of)),
      links_(env, config, cluster, work),
      view_(env, host, config, cluster, links_),
      cluster_(cluster),
      owners_(cluster.shards()),
      refused_(env.loop, owners_, config.timeouts.leader_wait),
      slow_writers_(env.loop),
      parts_{env.loop,
             env.buggify,
             env.tracer,
             host,
             config,
             cluster,
             links_,
             view_,
             budget,
             memory,
             work,
             refused_,
             requests_,
             held_,
             wait_until_,
             [this](GroupQueue& queue) { Wake(queue); },
             [this] {
               leadership_changed_ = true;
               Defer();
             }},
      alarm_(env.loop, [this] {
        for (const auto& [group, queue] : timed_) Wake(*queue);
        Defer();
      }) {
  MakeQueues();
}

void Router::MakeQueues() {
  Queues before = std::exchange(queues_, {});
  auto old = before.begin();
  for (const shardctrl::Group& group : cluster_.shards().groups()) {
    while (old != before.end() && (*old)->group() < group.id) {
      EndQueue(std::move(*old++));
    }
    if (old != before.end() && (*old)->group() == group.id) {
      queues_.push_back(std::move(*old++));
    } else {
      queues_.push_back(MakeQueue(group.id));
    }
  }
  while (old != before.end()) EndQueue(std::move(*old++));
}

std::unique_ptr<GroupQueue> Router::MakeQueue(GroupId group) {
  std::unique_ptr<GroupQueue> queue;
  if (const auto ended = ended_.find(group); ended != ended_.end()) {
    queue = std::move(ended->second);
    ended_.erase(ended);
    queue->SetEnded(false);
  } else {
    queue = std::make_unique<GroupQueue>(parts_, group);
  }
  if (started_) Begin(*queue);
  return queue;
}

void Router::EndQueue(std::unique_ptr<GroupQueue> queue) {
  queue->SetEnded(true);
  if (!queue->unused()) {
    Wake(*queue);
    ended_[queue->group()] = std::move(queue);
    return;
  }
  std::erase(woken_, queue.get());
  timed_.erase(queue->group());
}

void Router::ForEachQueue(absl::FunctionRef<void(GroupQueue&)> call) const {
  for (const auto& queue : queues_) call(*queue);
  for (const auto& [group, queue] : ended_) call(*queue);
}

// Without delay: a request may arrive before the first flush of this turn.
void Router::Begin(GroupQueue& queue) {
  queue.RefreshLeadership();
  NoteApplied(queue);  // A snapshot may have been loaded.
  Wake(queue);
}

void Router::Start() {
  links_.Start(
      [this](PeerRequest request, PeerDone done, AnswerRoom& room) {
        OnPeerRequest(std::move(request), std::move(done), room);
      },
      [this] { WakeAll(); }, &view_);
  started_ = true;
  for (const auto& queue : queues_) Begin(*queue);
  view_.SetObserver([this] {
    for (const auto& queue : queues_) NoteApplied(*queue);
    ForEachQueue([this](GroupQueue& queue) {
      const GroupId group = queue.group();
      // The replica here does not hear a leader that the view knows.
      const bool unheard = view_.leader(group).term > queue.leadership().term;
      if (!queue.hosted() || unheard || !view_.OwnStatus(group).ok()) {
        Wake(queue);
      }
    });
  });
  view_.Start();
}

void Router::OnReplicasChanged() {
  if (!started_) return;
  view_.OnOwnChange();
  WakeAll();
}

void Router::BeginStop() {
  refuses_peers_ = true;
  wait_until_ = env_.loop.ReadClock().mono + kStopWait;
  WakeAll();
}

// The queues take turns to be the first one, which finds most room on a link.
void Router::WakeAll() {
  Defer();
  for (size_t i = 0; i < queues_.size(); ++i) {
    Wake(*queues_[(first_woken_ + i) % queues_.size()]);
  }
  ++first_woken_;
  for (const auto& [group, queue] : ended_) Wake(*queue);
}

void Router::OnPeerRequest(PeerRequest request, PeerDone done,
                           AnswerRoom& room) {
  // A node that stops still knows who leads.
  if (request.kind == PeerRequest::Kind::kControl) {
    return on_control_(std::move(request.payload), std::move(done));
  }
  GroupQueue* const queue = FindQueue(request.group);
  const auto refuse = [&done](absl::Status why) {
    PeerResult refusal;
    refusal.result.outcome = Outcome::kNotExecuted;
    refusal.result.status = std::move(why);
    done(std::move(refusal));
  };
  if (queue == nullptr) return refuse(absl::UnavailableError("no such group"));
  ++peer_requests_;
  // The asker learns of the next leader, rather than ask this node again.
  if (refuses_peers_) return done(queue->NotLeading());
  parts_.work.Add(request.payload.size() / TurnWork::kCopiedBytesPerUnit);
  // A key in another slot would be found by no client.
  if (request.kind != PeerRequest::Kind::kOpen &&
      !SlotsAgree(request.payload, slot_of_)) {
    return refuse(absl::InvalidArgumentError(
        "a key does not belong to the slot of its command"));
  }
  switch (request.kind) {
    case PeerRequest::Kind::kOpen:
      return done(queue->OpenForPeer(request.stamp));
    case PeerRequest::Kind::kApply:
      return queue->ApplyForPeer(request.stamp, std::move(request.payload),
                                 std::move(done));
    case PeerRequest::Kind::kRead:
      return queue->ReadForPeer(std::move(request.payload), std::move(done),
                                room);
    case PeerRequest::Kind::kControl:
      break;
  }
}

void Router::OnMapChanged() {
  if (started_) {
    const shardctrl::MapVersion moved = owners_.moved();
    owners_.Update(cluster_.shards());
    if (owners_.moved() > moved) moved_at_ = env_.loop.ReadClock().mono;
  } else {
    owners_ = SlotOwners(cluster_.shards());
  }
  MakeQueues();
  if (started_) WakeAll();  // The leader of a group may be gone.
}

// Once a former group is settled for this sink it stays so: the sink's later
// commands to the slots go elsewhere.
const ConnectionOrder* Router::FindUnsettled(
    RequestSink* sink, const SlotOwners::Range& range) const {
  const ConnectionOrder* unsettled = nullptr;
  for (const SlotOwners::Former& former : range.former) {
    ConnectionOrder* const order = sink->routing().FindOrder(former.group);
    if (order == nullptr || order->settled_through >= former.lost.value()) {
      continue;
    }
    if (order->outstanding()) return order;
    // A group that has ended lost the slots before, and executes no command on
    // them any more.
    if (order->unsettled > 0 && FindQueue(former.group) != nullptr) {
      unsettled = order;
    } else {
      order->settled_through = owners_.version().value();
    }
  }
  return unsettled;
}

// A command with an unknown outcome may be executed later by the group that it
// was sent to. So the next command follows it there. That group executes the
// next command behind it, or refuses the next one. Then it has decided about
// the first one too, and the next one is routed again.
//
// The node forwards it there, also for a client that wants MOVED: the former
// group's leader would send that client back here, and so on.
GroupQueue* Router::QueueFor(RoutedRequest* request, Slot first, Slot last) {
  const SlotOwners::Range& own = owners_.RangeOf(first);
  if (first == last && own.former.empty()) return queues_[own.position].get();
  GroupQueue* queue = queues_[own.position].get();
  for (const SlotOwners::Range* range : owners_.RangesOf(first, last)) {
    const ConnectionOrder* order = FindUnsettled(request->sink, *range);
    if (order == nullptr) continue;
    if (order->outstanding()) return nullptr;
    queue = FindQueue(order->group());
    request->redirect = false;
  }
  return queue;
}

void Router::ForwardIfNew(RoutedRequest* request, Slot slot) const {
  if (!request->redirect || cluster_.removed()) return;
  const bool moved_lately =
      !owners_.RangeOf(slot).former.empty() && moved_at_ != MonoTime::Min() &&
      env_.loop.ReadClock().mono - moved_at_ < kForwardNew;
  if (moved_lately || view_.knows_newer_map()) request->redirect = false;
}

Admission Router::AddInOrder(RoutedRequest request,
                             const kv::CommandSpec& spec) {
  if (request.sink->routing().refused() > 0) return Admission::kBlocked;
  CHECK(!kv::NamesSlots(spec.op) || !slots_moved()) << "see slots_moved()";
  if (RefusedCommands::MayHold(spec.op)) ForwardIfNew(&request, spec.slot);
  GroupQueue* const queue = QueueFor(&request, spec.slot, LastSlotOf(spec));
  return queue == nullptr ? Admission::kBlocked : queue->Add(request, spec);
}

Admission Router::AddAtomic(RoutedRequest request, Slot slot,
                            const std::optional<kv::SessionStamp>& session,
                            absl::Span<const kv::CommandSpec> specs) {
  if (!slow_writers_.empty() && !request.further &&
      !slow_writers_.Admit(request.sink, slot)) {
    return Admission::kBlocked;
  }
  if (request.sink->routing().refused() > 0) return Admission::kBlocked;
  ForwardIfNew(&request, slot);
  GroupQueue* const queue = QueueFor(&request, slot, slot);
  return queue == nullptr ? Admission::kBlocked
                          : queue->AddAtomic(request, slot, session, specs);
}

void Router::RouteRefused() {
  if (refused_.empty()) return;
  refused_.RouteAgain([this](RoutedRequest request,
                             const ConnectionOrder::Request& refused) {
    GroupQueue* const queue = QueueFor(&request, refused.slot, refused.slot);
    const bool routed =
        queue != nullptr &&
        queue->AddAgain(request, refused.bytes) == Admission::kAccepted;
    if (routed) env_.tracer.Sometimes("window.refused_command_routed_again");
    return routed;
  });
}

GroupQueue* Router::FindQueue(GroupId group) const {
  const auto found = std::ranges::lower_bound(
      queues_, group, {}, [](const auto& queue) { return queue->group(); });
  return found == queues_.end() || (*found)->group() != group ? nullptr
                                                              : found->get();
}

GroupQueue* Router::FindAny(GroupId group) const {
  if (GroupQueue* const queue = FindQueue(group)) return queue;
  const auto ended = ended_.find(group);
  return ended == ended_.end() ? nullptr : ended->second.get();
}

NodeId Router::LeaderOf(GroupId group) const {
  const GroupQueue* const queue = FindQueue(group);
  return queue == nullptr ? NodeId() : queue->leadership().leader;
}

// The host also reports groups without a queue. Those are the groups of other
// kinds, and those that the map does not have.
void Router::OnLeadershipEvent(GroupId group) {
  if (GroupQueue* const queue = FindAny(group)) Wake(*queue);
}

void Router::NoteApplied(GroupQueue& queue) {
  queue.NoteApplied();
  const kv::Store* const store = queue.store();
  if (store != nullptr) log_time_ = std::max(log_time_, store->log_time());
}

void Router::OnApplied(GroupId group) {
  GroupQueue* const queue = FindQueue(group);
  if (queue == nullptr) return;
  NoteApplied(*queue);
  if (queue->awaits_leaders_entry()) Wake(*queue);
}

void Router::ForgetBlocked(RequestSink* sink) {
  slow_writers_.Forget(sink);
  ForEachQueue([sink](GroupQueue& queue) { queue.ForgetBlocked(sink); });
}

void Router::ServeParked(RequestSink* sink) {
  for (const GroupId group : sink->routing().GroupsOfParked()) {
    FindAny(group)->ServeParked(sink);
  }
}

void Router::DropReads(RequestSink* sink) {
  sink->routing().drops_reads = true;
  for (const GroupId group : sink->routing().GroupsOfParked()) {
    FindAny(group)->DropParked(sink);
  }
}

bool Router::idle() const {
  bool idle = links_.idle() && refused_.empty();
  ForEachQueue([&idle](const GroupQueue& queue) {
    idle = idle && queue.waiting_requests() == 0 && queue.inflight() == 0;
  });
  return idle;
}

void Router::Wake(GroupQueue& queue) {
  if (queue.MarkWoken()) woken_.push_back(&queue);
  Defer();
}

void Router::Defer() {
  if (flush_deferred_) return;
  flush_deferred_ = true;
  deferred_ = env_.loop.Defer([this] { Flush(); });
}

void Router::Flush() {
  flush_deferred_ = false;
  std::vector<GroupQueue*> woken;
  woken.swap(woken_);
  for (GroupQueue* const queue : woken) queue->ForgetWoken();
  for (GroupQueue* const queue : woken) {
    queue->Flush();
    if (queue->next_deadline() != MonoTime::Max()) {
      timed_[queue->group()] = queue;
    } else {
      timed_.erase(queue->group());
    }
  }
  RouteRefused();
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
  MonoTime next = refused_.next_deadline();
  for (const auto& [group, queue] : timed_) {
    next = std::min(next, queue->next_deadline());
  }
  alarm_.SetFor(next);
}

}  // namespace quorate::node
