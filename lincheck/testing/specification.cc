#include "lincheck/testing/specification.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "lincheck/models/value_list.h"

namespace quorate::lincheck::specification {
namespace {

Item Flag(bool flag) { return int64_t{flag}; }
Reply One(Item item) { return {Reply::Kind::kOne, {std::move(item)}}; }
Reply Nothing() { return {}; }

bool IsNil(const Item& item) {
  return std::holds_alternative<std::monostate>(item);
}

// "Larger integers are written as strings."
Item ItemOfText(std::string_view bytes) {
  int64_t number = 0;
  const auto [end, error] =
      std::from_chars(bytes.data(), bytes.data() + bytes.size(), number);
  if (error == std::errc() && std::to_string(number) == bytes &&
      (number > Value::kIntegerMax || number < Value::kIntegerMin)) {
    return number;
  }
  return std::string(bytes);
}

std::optional<std::vector<Item>> ListOf(Value value) {
  std::vector<Datum> list;
  if (!value.is_string() || !ParseList(value.bytes(), &list)) return {};
  std::vector<Item> items;
  for (const Datum& datum : list) items.push_back(ItemOf(datum));
  return items;
}

}  // namespace

Item ItemOf(Value value) {
  if (value.is_integer()) return value.integer();
  return value.is_string() ? ItemOfText(value.bytes()) : Item();
}

Item ItemOf(const Datum& datum) {
  if (datum.is_nil()) return {};
  if (datum.is_integer()) return datum.integer();
  return ItemOfText(datum.bytes());
}

Value ValueOf(const Item& item, ValueArena* arena) {
  if (IsNil(item)) return Value::Nil();
  const int64_t* number = std::get_if<int64_t>(&item);
  if (number != nullptr && *number <= Value::kIntegerMax &&
      *number >= Value::kIntegerMin) {
    return Value::Integer(*number);
  }
  return arena->String(TextOf(item));
}

std::string TextOf(const Item& item) {
  if (IsNil(item)) return "";
  const int64_t* number = std::get_if<int64_t>(&item);
  return number != nullptr ? std::to_string(*number)
                           : std::get<std::string>(item);
}

bool Reply::Fits(Value result) const {
  if (kind == Kind::kNothing) return true;
  if (kind == Kind::kOne) {
    return !result.is_none() && ItemOf(result) == items[0];
  }
  std::optional<std::vector<Item>> list = ListOf(result);
  if (!list.has_value()) return false;
  if (kind == Kind::kList) return *list == items;
  std::sort(list->begin(), list->end());
  std::vector<Item> sorted = items;
  std::sort(sorted.begin(), sorted.end());
  return *list == sorted;
}

Outcomes<Item> RegisterSpecification::Do(const Item& world,
                                         const Call& call) const {
  if (call.function == "read") return {{world, One(world)}};
  if (call.function == "write") return {{ItemOf(call.argument), Nothing()}};
  return {};
}

Outcomes<Item> CasRegisterSpecification::Do(const Item& world,
                                            const Call& call) const {
  if (call.function == "cas") {
    const bool fits = world == ItemOf(call.expected);
    return {{fits ? ItemOf(call.argument) : world, One(Flag(fits))}};
  }
  return RegisterSpecification().Do(world, call);
}

Outcomes<Item> KvSpecification::Do(const Item& world, const Call& call) const {
  const std::string_view f = call.function;
  const bool there = !IsNil(world);
  const Item argument = ItemOf(call.argument);
  if (f == "get") return {{world, One(world)}};
  if (f == "put") return {{argument, Nothing()}};
  if (f == "delete") return {{Item(), One(Flag(there))}};
  if (f == "swap") return {{argument, One(world)}};
  if (f == "take") return {{Item(), One(world)}};
  if (f == "cas") return CasRegisterSpecification().Do(world, call);
  if (f == "put_if_exists") {
    return {{there ? argument : world, One(Flag(there))}};
  }
  if (f == "append") {
    if (!call.argument.is_string()) return {};
    const std::string text = TextOf(world) + std::string(call.argument.bytes());
    return {{ItemOfText(text), One(static_cast<int64_t>(text.size()))}};
  }
  if (f == "incr") {
    const int64_t* delta = std::get_if<int64_t>(&argument);
    const int64_t* number = std::get_if<int64_t>(&world);
    if (delta == nullptr || (there && number == nullptr)) return {};
    int64_t sum = 0;
    if (__builtin_add_overflow(there ? *number : 0, *delta, &sum)) return {};
    return {{sum, One(sum)}};
  }
  return {};
}

auto ExpiringKvSpecification::Do(const World& world, const Call& call) const
    -> Outcomes<World> {
  Outcomes<World> outcomes;
  const std::string_view f = call.function;
  std::vector<Time> moments;
  const Time from = std::max(world.now, call.invoke);
  for (Time t = from; t <= std::min(call.ret, std::max(from, horizon)); ++t) {
    moments.push_back(t);
  }
  if (call.ret == kNever && world.end.value_or(horizon) > horizon) {
    moments.push_back(*world.end);
  }
  for (const Time t : moments) {
    World now = world;
    now.now = t;
    if (now.end.has_value() && t >= *now.end) {
      now.value = Item();
      now.end.reset();
    }
    const bool there = !IsNil(now.value);
    const Value duration = f == "expire" ? call.argument : call.expected;
    const auto end_in_time = [&](World after, const Reply& reply) {
      // Nothing is not there, so it has no end either.
      if (!IsNil(after.value)) after.end = t + duration.integer();
      outcomes.push_back({after, reply});
    };
    if ((f == "put_for" || f == "expire") && !duration.is_integer()) return {};
    if (f == "put_for") {
      end_in_time({ItemOf(call.argument), {}, t}, Nothing());
    } else if (f == "expire") {
      if (there) end_in_time(now, One(Flag(true)));
      if (!there) outcomes.push_back({now, One(Flag(false))});
    } else if (f == "persist") {
      const bool does = there && now.end.has_value();
      outcomes.push_back({{now.value, {}, t}, One(Flag(does))});
    } else {
      for (const auto& [value, reply] : KvSpecification().Do(now.value, call)) {
        // A value that is changed ends as before. A new value stays, even if it
        // is the same.
        const bool changes = f == "get" || f == "append" || f == "incr";
        const bool replaces =
            !changes && (f != "cas" || reply.Fits(Value::Integer(1)));
        World after{value, replaces || IsNil(value) ? std::nullopt : now.end,
                    t};
        outcomes.push_back({after, reply});
      }
    }
  }
  return outcomes;
}

auto SetSpecification::Do(const World& world, const Call& call) const
    -> Outcomes<World> {
  const Item argument = ItemOf(call.argument);
  const bool there = world.contains(argument);
  World after = world;
  if (call.function == "read") {
    return {{world, {Reply::Kind::kBag, {world.begin(), world.end()}}}};
  }
  if (call.function == "contains") return {{world, One(Flag(there))}};
  if (call.function == "add") {
    after.insert(argument);
    return {{after, One(Flag(!there))}};
  }
  if (call.function == "remove") {
    after.erase(argument);
    return {{after, One(Flag(there))}};
  }
  return {};
}

auto QueueSpecification::Do(const World& world, const Call& call) const
    -> Outcomes<World> {
  const Item first = world.empty() ? Item() : world[0];
  World after = world;
  if (call.function == "enqueue") {
    const Item argument = ItemOf(call.argument);
    if (IsNil(argument)) return {};
    after.push_back(argument);
    return {{after, Nothing()}};
  }
  if (call.function == "dequeue") {
    if (!world.empty()) after.erase(after.begin());
    return {{after, One(first)}};
  }
  if (call.function == "peek") return {{world, One(first)}};
  if (call.function == "length") {
    return {{world, One(static_cast<int64_t>(world.size()))}};
  }
  return {};
}

auto LockSpecification::Do(const World& world, const Call& call) const
    -> Outcomes<World> {
  if (call.function == "acquire") {
    if (world.holder.has_value()) return {{world, One(Item())}};
    Outcomes<World> outcomes;
    for (const int64_t token : tokens) {
      if (world.last.has_value() && token <= *world.last) continue;
      outcomes.push_back({{token, token}, One(token)});
    }
    return outcomes;
  }
  const Item shown = ItemOf(call.argument);
  const int64_t* token = std::get_if<int64_t>(&shown);
  if (token == nullptr) return {};
  const bool holds = world.holder == *token;
  if (call.function == "check") return {{world, One(Flag(holds))}};
  if (call.function != "release") return {};
  World after = world;
  if (holds) after.holder.reset();
  return {{after, One(Flag(holds))}};
}

auto MutexSpecification::Do(const World& world, const Call& call) const
    -> Outcomes<World> {
  if (call.function == "acquire") return {{true, One(Flag(!world))}};
  if (call.function == "release") return {{false, One(Flag(world))}};
  return {};
}

auto TransactionSpecification::Do(const World& world, const Call& call) const
    -> Outcomes<World> {
  const std::optional<std::vector<Item>> list = ListOf(call.argument);
  if (call.function != "txn" || !list.has_value() || list->size() % 3 != 0) {
    return {};
  }
  World after = world;
  std::vector<Item> told = *list;
  for (size_t i = 0; i < told.size(); i += 3) {
    const Item& what = told[i];
    const Item& key = told[i + 1];
    Item& value = told[i + 2];
    if (what == Item("r")) {
      value = after.try_emplace(key, initial).first->second;
    } else if (what == Item("w")) {
      after[key] = value;
    } else if (what == Item("append") &&
               std::holds_alternative<std::string>(value)) {
      Item& text = after.try_emplace(key, initial).first->second;
      text = TextOf(text) + std::get<std::string>(value);
    } else {
      return {};
    }
  }
  std::erase_if(after, [&](const auto& row) { return row.second == initial; });
  return {{after, {Reply::Kind::kList, told}}};
}

}  // namespace quorate::lincheck::specification
