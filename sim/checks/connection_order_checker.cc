#include "sim/checks/connection_order_checker.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace quorate::sim {

void ConnectionOrderChecker::OnSent(Operation op, uint64_t connection,
                                    GroupId group, Slot slot) {
  Line& line = lines_[{connection, group, slot}];
  line.connection = connection;
  line.group = group;
  if (op >= sends_.size()) sends_.resize(op + 1);
  sends_[op].push_back({&line, ++line.sent});
}

void ConnectionOrderChecker::OnRefused(Operation op, uint64_t connection) {
  if (op >= sends_.size()) return;
  // Earlier sends, on other connections, may have unknown outcomes.
  absl::InlinedVector<Send, 1>& sends = sends_[op];
  const auto last = std::find_if(sends.rbegin(), sends.rend(),
                                 [connection](const Send& send) {
                                   return send.line->connection == connection;
                                 });
  if (last != sends.rend()) sends.erase(std::next(last).base());
}

bool ConnectionOrderChecker::FindLater(const Line& line, uint64_t number,
                                       Operation* later) const {
  if (line.read_through > number) {
    *later = line.read_op;
    return true;
  }
  const auto effect = line.effects.upper_bound(number);
  if (effect == line.effects.end()) return false;
  *later = effect->second.first;
  return true;
}

void ConnectionOrderChecker::Violate(const Line& line, Operation first,
                                     Operation second) {
  violate_(absl::StrCat("order: connection ", line.connection >> 32, ".",
                        line.connection & 0xffffffff, ", group ",
                        line.group.value(), ": ", describe_(second),
                        " was sent after ", describe_(first),
                        " but took effect before it"));
}

void ConnectionOrderChecker::OnCommitted(Operation op, Position at) {
  if (op >= sends_.size()) return;
  const auto sends = std::move(sends_[op]);
  sends_[op].clear();
  if (sends.empty()) return;
  ++writes_checked_;
  Operation later = 0;
  const bool lawful =
      std::any_of(sends.begin(), sends.end(), [&](const Send& send) {
        return !FindLater(*send.line, send.number, &later);
      });
  if (!lawful) Violate(*sends.back().line, op, later);
  // If it was sent more than once, it is unknown which of the sends took
  // effect.
  if (sends.size() > 1) return;
  sends[0].line->effects.emplace(sends[0].number, std::make_pair(op, at));
}

void ConnectionOrderChecker::OnRead(Operation op, const std::string& key,
                                    uint64_t value) {
  if (op >= sends_.size() || sends_[op].empty()) return;
  // The reply belongs to the last send.
  const auto [line, number] = sends_[op].back();
  sends_[op].clear();
  // A reply out of order is ignored: the client reports it.
  if (number < line->read_through) return;
  Position floor = line->floor;
  Operation floor_op = line->floor_op;
  auto later = line->effects.upper_bound(number);
  if (later != line->effects.begin()) {
    const auto& [write, at] = std::prev(later)->second;
    if (at > floor) {
      floor = at;
      floor_op = write;
    }
  }
  if (!states_->FirstFrom(0, key, value).has_value()) return;
  ++reads_checked_;
  // The smallest possible place.
  const std::optional<Position> found = states_->FirstFrom(floor, key, value);
  const Position place = found.value_or(0);
  if (!found.has_value()) {
    Violate(*line, floor_op, op);
  } else if (later != line->effects.end() && later->second.second <= place) {
    Violate(*line, op, later->second.first);
  }
  line->read_through = number;
  line->read_op = op;
  line->floor_op = place > floor ? op : floor_op;
  line->floor = std::max(place, floor);
  line->effects.erase(line->effects.begin(), later);
}

}  // namespace quorate::sim
