#include "node/debug_page.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "node/base/text.h"
#include "node/routing/request_sink.h"

namespace quorate::node {
namespace {

using Json = nlohmann::ordered_json;
using State = ConnectionOrder::State;

// Milliseconds until `at`, negative once it has passed. Null: never.
Json Until(const Context& context, MonoTime at) {
  if (at == MonoTime::Max()) return nullptr;
  return (at - context.MonoNow()).ms();
}

Json LeaderText(const Leadership& leadership) {
  switch (leadership.kind) {
    case Leadership::Kind::kUnknown:
      return nullptr;
    case Leadership::Kind::kSelf:
      return "this node";
    case Leadership::Kind::kRemote:
      return Concat("node ", leadership.leader);
  }
  return nullptr;
}

// A list that takes no more rows than a turn has time for.
class Rows {
 public:
  void Add(Json row) {
    if (rows_.size() < kDebugRowsMax) {
      rows_.push_back(std::move(row));
    } else {
      ++left_out_;
    }
  }
  // Adds the list and what it left out to `page`.
  void WriteTo(std::string_view name, Json* page) {
    (*page)[name] = std::move(rows_);
    if (left_out_ > 0) (*page)["left_out"][name] = left_out_;
  }

 private:
  Json rows_ = Json::array();
  size_t left_out_ = 0;
};

// ---- Orders

Json OrderJson(const ConnectionOrder& order) {
  return {{"group", order.group().value()},
          {"waiting", order.count(State::kWaiting)},
          {"issued", order.count(State::kIssued)},
          {"parked", order.count(State::kParked)},
          {"in_pieces", order.count(State::kInPieces)},
          {"in_batch", order.count(State::kInBatch)},
          {"submitted", order.count(State::kSubmitted)},
          {"refused", order.count(State::kRefused)},
          {"unsettled", order.unsettled != 0},
          {"waits_for_room", order.ticket != 0}};
}

void AddConnections(const Context& context, std::string_view protocol,
                    const Clients& clients, Rows* rows) {
  for (ClientConnection* const client : clients.All()) {
    RequestSink* const sink = client->protocol().sink();
    const size_t due = client->protocol().pending();
    if (sink == nullptr || (due == 0 && client->unsent_bytes() == 0 &&
                            sink->routing().blocked_queues == 0)) {
      continue;
    }
    Json orders = Json::array();
    sink->routing().ForEach([&](const ConnectionOrder& order) {
      if (!order.idle()) orders.push_back(OrderJson(order));
    });
    rows->Add({{"id", client->id()},
               {"protocol", protocol},
               {"address", client->peer_address()},
               {"last_input_ms",
                -Until(context, client->last_input()).get<int64_t>()},
               {"answers_due", due},
               {"unsent_bytes", client->unsent_bytes()},
               {"waits_for_queues", sink->routing().blocked_queues},
               {"waits_to_write", sink->routing().waits_to_write},
               {"orders", std::move(orders)}});
  }
}

Json OrdersPage(const Context& context) {
  Rows groups;
  context.router.ForEachQueue([&](GroupQueue& queue) {
    const Leadership& known = queue.leadership();
    if (queue.waiting_requests() == 0 && queue.inflight() == 0 &&
        known.kind != Leadership::Kind::kUnknown) {
      return;
    }
    groups.Add({{"group", queue.group().value()},
                {"leader", LeaderText(known)},
                {"term", known.term.value()},
                {"hosted", queue.hosted()},
                {"waiting_requests", queue.waiting_requests()},
                {"waiting_bytes", queue.waiting_bytes()},
                {"batches_in_flight", queue.inflight()}});
  });
  Rows connections;
  AddConnections(context, "resp", context.resp_clients, &connections);
  AddConnections(context, "http", context.http_clients, &connections);
  Json page = Json::object();
  groups.WriteTo("groups", &page);
  connections.WriteTo("connections", &page);
  page["refused_commands"] = context.router.refused().size();
  return page;
}

// ---- Moves

Json MovesPage(const Context& context, const SlotMover& mover) {
  Rows rows;
  mover.ForEachTask(
      [&](MoveId move, GroupId group, const slot_mover::MoveTask& task) {
        Json row = {{"move", move.value()},
                    {"group", group.value()},
                    {"term", task.term.value()},
                    {"steps_under_way", task.outstanding},
                    {"next_try_ms", Until(context, task.not_before)},
                    {"problem", task.problem},
                    {"lacks_room", task.lacks_room}};
        if (!task.source.has_value()) {
          row["work"] = "ending";
        } else if (const auto* copying =
                       std::get_if<slot_mover::Copying>(&task.source->work)) {
          row["work"] = copying->sealing ? "sealing" : "copying";
          row["bytes_under_way"] = copying->stream.counted_outstanding();
          row["place_of_destination_lost"] = copying->stream.lost();
          row["one_piece_at_a_time"] = task.source->one_at_a_time;
        } else {
          row["work"] =
              std::holds_alternative<slot_mover::Asking>(task.source->work)
                  ? "asking"
                  : "sealed";
        }
        rows.Add(std::move(row));
      });
  Json page = Json::object();
  rows.WriteTo("moves", &page);
  return page;
}

// ---- Rooms

// `bound` 0: there is none.
Json RoomJson(std::string_view name, uint64_t used, uint64_t bound) {
  return {{"room", name},
          {"bytes", used},
          {"bound", bound == 0 ? Json() : Json(bound)}};
}

Json RoomsPage(const Context& context) {
  const raft::HostStats host = context.host.stats();
  const LimitsConfig& limits = context.config.limits;
  const raft::HostLimits& bounds = context.config.host;
  uint64_t held = 0;
  context.router.ForEachQueue(
      [&](const GroupQueue& queue) { held += queue.waiting_bytes(); });
  Json rooms = Json::array(
      {RoomJson("replies that clients have not taken",
                context.output_budget.used_bytes(), limits.output_total_bytes),
       RoomJson("requests that are not handled",
                context.input_budget.used_bytes(), limits.query_total_bytes),
       RoomJson("requests that wait at their groups", held,
                context.config.bounds.held_total_bytes),
       RoomJson("requests and answers between nodes",
                context.router.links().held_bytes(), 0),
       RoomJson("stores", context.memory_budget.used_bytes(),
                context.memory_budget.limit_bytes()),
       RoomJson("entries in memory", host.log_memory_bytes,
                bounds.log_memory_bytes_max),
       RoomJson("entries of the log", host.log_bytes, bounds.log_bytes_max),
       RoomJson("entries that followers lack", host.log_retained_bytes, 0),
       RoomJson("entries that the disk has not written", host.unwritten_bytes,
                bounds.unwritten_bytes_max),
       RoomJson("entries that are not applied", host.unapplied_bytes,
                bounds.unapplied_bytes_max),
       RoomJson("chunks that the disk has not written", host.staged_bytes,
                bounds.snapshot_transfer_bytes_max),
       RoomJson("reads for followers", host.follower_read_bytes,
                bounds.snapshot_transfer_bytes_max)});
  Rows closed;
  for (const raft::ClosedRoom& room : context.host.closed_rooms()) {
    closed.Add(
        {{"room", room.name},
         {"node", room.peer == NodeId() ? Json() : Json(room.peer.value())},
         {"bytes", room.used_bytes},
         {"bound", room.bound_bytes},
         {"refused_bytes", room.refused_bytes}});
  }
  Json page = {{"rooms", std::move(rooms)}};
  closed.WriteTo("closed", &page);
  return page;
}

// ---- Timers

Json TimersPage(const Context& context, const SlotMover& mover) {
  std::vector<std::pair<MonoTime, Json>> timers;
  const auto add = [&](MonoTime at, std::string_view what, Json group) {
    if (at == MonoTime::Max()) return;
    timers.emplace_back(at, Json{{"timer", what},
                                 {"group", std::move(group)},
                                 {"due_ms", Until(context, at)}});
  };
  for (const GroupId group : context.host.groups()) {
    add(context.host.deadline(group), "consensus", group.value());
  }
  context.router.ForEachQueue([&](const GroupQueue& queue) {
    add(queue.next_deadline(), "requests", queue.group().value());
  });
  add(mover.due(), "moves of slots", nullptr);
  std::ranges::stable_sort(timers, {}, &std::pair<MonoTime, Json>::first);
  Rows rows;
  for (auto& [at, row] : timers) rows.Add(std::move(row));
  Json page = Json::object();
  rows.WriteTo("timers", &page);
  return page;
}

Json PageOf(std::string_view path, const Context& context,
            const SlotMover& mover) {
  if (path == "/debug/orders") return OrdersPage(context);
  if (path == "/debug/moves") return MovesPage(context, mover);
  if (path == "/debug/rooms") return RoomsPage(context);
  if (path == "/debug/timers") return TimersPage(context, mover);
  if (path != "/debug") return nullptr;
  return {{"pages", {"orders", "moves", "rooms", "timers"}}};
}

}  // namespace

std::optional<std::string> DebugPage(std::string_view path,
                                     const Context& context,
                                     const SlotMover& mover) {
  Json page = PageOf(path, context, mover);
  if (page.is_null()) return std::nullopt;
  page["node"] = context.config.node.value();
  return page.dump(/*indent=*/2, ' ', /*ensure_ascii=*/false,
                   Json::error_handler_t::replace) +
         "\n";
}

}  // namespace quorate::node
