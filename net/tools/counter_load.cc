#include "net/tools/counter_load.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv/client/resp_reply.h"
#include "net/event_loop/clock.h"
#include "net/tools/resp_client.h"

namespace quorate::net {
namespace {

constexpr Duration kAnswerWithin = Seconds(5);

}  // namespace

CounterLoad::CounterLoad(std::vector<std::string> addresses, uint32_t clients,
                         uint32_t counters)
    : addresses_(std::move(addresses)),
      counters_(counters),
      since_(Clock::ReadMono()) {
  for (uint32_t i = 0; i < clients; ++i) {
    auto client = std::make_unique<Client>();
    client->number = i;
    client->expected.resize(counters);
    clients_.push_back(std::move(client));
  }
  for (const auto& client : clients_) {
    client->thread = std::thread([this, at = client.get()] { Run(at); });
  }
}

CounterLoad::~CounterLoad() { Stop(); }

void CounterLoad::Stop() {
  stops_ = true;
  for (const auto& client : clients_) {
    if (client->thread.joinable()) client->thread.join();
  }
}

std::string CounterLoad::KeyOf(const Client& client, uint32_t counter) const {
  return absl::StrCat("counter:", client.number, ":", counter);
}

void CounterLoad::Fail(Client* client, std::string why) {
  const std::lock_guard<std::mutex> guard(client->lock);
  ++client->failed;
  if (client->first_failure.empty()) client->first_failure = std::move(why);
}

void CounterLoad::Run(Client* client) {
  std::unique_ptr<RespClient> link;
  size_t address = client->number % addresses_.size();
  for (uint64_t n = 0; !stops_; ++n) {
    const auto counter = static_cast<uint32_t>(n % counters_);
    const std::string key = KeyOf(*client, counter);
    const MonoTime begun = Clock::ReadMono();
    if (link == nullptr) {
      auto made = RespClient::Connect(addresses_[address], kAnswerWithin);
      if (made.ok()) link = *std::move(made);
    }
    if (link == nullptr) {
      Fail(client, "no connection to " + addresses_[address]);
      address = (address + 1) % addresses_.size();
      continue;
    }
    const absl::StatusOr<kv::RespValue> reply = link->Call({"INCR", key});
    const Duration took = Clock::ReadMono() - begun;
    {
      const std::lock_guard<std::mutex> guard(client->lock);
      client->latencies_ns.push_back(took.ns());
    }
    if (reply.ok() && reply->kind == kv::RespValue::Kind::kInteger) {
      uint64_t& expected = client->expected[counter];
      const auto found = static_cast<uint64_t>(reply->integer);
      const bool unsure = client->uncertain.erase(counter) > 0;
      if (found != expected + 1 && !(unsure && found == expected + 2)) {
        Fail(client, absl::StrCat("INCR ", key, " returned ", found,
                                  " instead of ", expected + 1));
      }
      expected = found;
      continue;
    }
    client->uncertain.insert(counter);
    Fail(client,
         absl::StrCat(
             "INCR ", key, ": ",
             reply.ok() ? reply->text : std::string(reply.status().message())));
    link.reset();
  }
}

CounterLoad::Seen CounterLoad::Take() {
  Seen seen;
  std::vector<int64_t> all;
  for (const auto& client : clients_) {
    const std::lock_guard<std::mutex> guard(client->lock);
    all.insert(all.end(), client->latencies_ns.begin(),
               client->latencies_ns.end());
    client->latencies_ns.clear();
    seen.failed += std::exchange(client->failed, 0);
    if (seen.first_failure.empty()) {
      seen.first_failure = std::exchange(client->first_failure, "");
    }
  }
  const MonoTime now = Clock::ReadMono();
  seen.requests = all.size();
  seen.seconds =
      static_cast<double>((now - std::exchange(since_, now)).ns()) / 1e9;
  if (all.empty()) return seen;
  std::sort(all.begin(), all.end());
  seen.p99 = Nanoseconds(all[(all.size() - 1) * 99 / 100]);
  seen.slowest = Nanoseconds(all.back());
  return seen;
}

uint64_t CounterLoad::StopAndCheck() {
  Stop();
  uint64_t wrong = 0;
  std::unique_ptr<RespClient> link;
  for (const auto& client : clients_) {
    for (uint32_t counter = 0; counter < counters_; ++counter) {
      if (link == nullptr) {
        auto made = RespClient::Connect(addresses_.front(), kAnswerWithin);
        if (made.ok()) link = *std::move(made);
      }
      const uint64_t expected = client->expected[counter];
      if (link == nullptr) {
        ++wrong;
        continue;
      }
      const auto reply = link->Call({"GET", KeyOf(*client, counter)});
      if (!reply.ok()) link.reset();
      const bool unsure = client->uncertain.contains(counter);
      const auto is = [&](uint64_t value) {
        return reply.ok() && (value == 0 ? reply->text.empty()
                                         : reply->text == absl::StrCat(value));
      };
      if (!is(expected) && !(unsure && is(expected + 1))) ++wrong;
    }
  }
  return wrong;
}

}  // namespace quorate::net
