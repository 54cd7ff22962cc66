#include "node/resources.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "node/connections/clients.h"
#include "node/routing/hosted_store.h"
#include "raft/host/host.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

namespace {

void AddRetained(const raft::Core& core, ResourceUse* use) {
  const raft::Index snapshot = core.snapshot().position.index;
  use->snapshot_bytes += core.snapshot().size_bytes;
  bool in_transfer = false;
  for (const auto& follower : core.followers()) {
    in_transfer |= follower.snapshot != raft::LogPosition();
    use->follower_lags |= follower.match < snapshot;
  }
  use->groups_in_transfer += in_transfer ? 1 : 0;
}

}  // namespace

ResourceUse ResourcesOf(const Context& context) {
  const raft::HostStats host = context.host.stats();
  ResourceUse use = {
      .connections =
          context.resp_clients.count() + context.http_clients.count(),
      .reply_bytes = context.output_budget.used_bytes(),
      .request_bytes = context.input_budget.used_bytes(),
      .peer_bytes = context.router.links().held_bytes(),
      .log_memory_bytes = host.log_memory_bytes,
      .apply_backlog_bytes = host.unapplied_bytes,
      .unwritten_bytes = host.unwritten_bytes,
      .staged_bytes = host.staged_bytes,
      .follower_read_bytes = host.follower_read_bytes,
      .closed_rooms = context.host.closed_rooms(),
      .retained_bytes = host.log_retained_bytes,
      .kept_snapshots = host.kept_snapshots,
      .memory_bytes = context.memory_budget.used_bytes(),
      .memory_limit_bytes = context.memory_budget.limit_bytes(),
      .leads_all = context.memory_budget.limited(),
      .store_bytes_above_limit = context.memory_budget.most_bytes_above_limit(),
      .longest_turn_work = context.work.longest(),
      .longest_apply_work = host.longest_apply_work};
  const bool evicts =
      use.log_memory_bytes > context.config.host.log_memory_bytes_max;
  const bool retains = use.retained_bytes > 0 || use.kept_snapshots > 0;
  for (const auto& queue : context.router.queues()) {
    use.waiting_requests =
        std::max<uint64_t>(use.waiting_requests, queue->waiting_requests());
    use.waiting_bytes =
        std::max<uint64_t>(use.waiting_bytes, queue->waiting_bytes());
    use.entries_in_flight =
        std::max<uint64_t>(use.entries_in_flight, queue->inflight());
    const raft::Core* const core = context.host.core(queue->group());
    const kv::Store* const store =
        HostedStore(std::as_const(context.host), queue->group());
    // A replica that is being dropped counts until its files are gone.
    use.any_stopped |=
        queue->placed() && (!queue->hosted() || store == nullptr);
    if (store != nullptr) {
      use.stores_bytes += store->memory_bytes();
      use.key_bytes += store->size_bytes();
    }
    if (core == nullptr) continue;
    use.leads_all = use.leads_all && core->role() == raft::RoleKind::kLeader &&
                    core->TermAt(core->applied_index()) == core->term();
    if (retains) AddRetained(*core, &use);
    if (evicts) use.unapplied_bytes += core->UnappliedBytes(core->last().index);
    const uint64_t backlog = core->apply_backlog_bytes();
    if (backlog <= context.config.host.core.unapplied_bytes_max) continue;
    use.apply_backlogs.emplace_back(queue->group(), backlog);
  }
  // It has no queue.
  const raft::Core* const controller =
      context.host.core(shardctrl::kControllerGroup);
  if (controller != nullptr && retains) AddRetained(*controller, &use);
  if (controller != nullptr && evicts) {
    use.unapplied_bytes += controller->UnappliedBytes(controller->last().index);
  }
  return use;
}

}  // namespace quorate::node
