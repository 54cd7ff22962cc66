#include "sim/workload/paced_client.h"

#include <optional>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

constexpr Duration kReplyTimeout = Seconds(5);

}  // namespace

PacedClient::PacedClient(env::Env& env, const PacedClientOptions& options,
                         Choices* choices, Recorder* recorder,
                         Recorder::Clock clock, ChoiceSite site,
                         Duration interval)
    : env_(env),
      recorder_(recorder),
      clock_(std::move(clock)),
      options_(options),
      choices_(choices),
      site_(site),
      interval_(interval),
      node_(options_.id % options_.servers.size()) {
  tick_ = env_.loop.At(MonoNow() + interval_, [this] { Tick(); });
}

void PacedClient::Tick() {
  if (!issuing_) return;
  const Duration wait = env_.random.Between(
      Duration(0), interval_ * 2, "client.wait", options_.id, numbers_);
  tick_ = env_.loop.At(MonoNow() + wait, [this] { Tick(); });
  if (!idle()) return;
  const uint64_t number = ++numbers_;
  const std::optional<Random> random =
      choices_->RandomOrNone(site_, {options_.id, number});
  if (random.has_value()) Begin(number, *random);
}

void PacedClient::ObserveCall(uint64_t number,
                              const std::vector<std::string>& words,
                              std::string text) {
  recorder_->ObserveCall(options_.id, number, std::move(text));
  if (send_hook_ != nullptr) send_hook_({options_.id, number, words});
}

void PacedClient::ObserveEnd(uint64_t number, Outcome outcome,
                             std::string answer) {
  recorder_->Count(outcome);
  recorder_->ObserveEnd(options_.id, number, outcome, std::move(answer));
}

void PacedClient::Unexpected(const ClientReply& reply) {
  recorder_->Unexpected(options_.id,
                        absl::StrCat(Describe(), reply.ToString()));
}

void PacedClient::Connect(std::string_view greeting) {
  if (link_ != nullptr) return;
  link_ = std::make_unique<ClientLink>(
      env_, uint64_t{options_.id} << 32 | ++links_made_,
      options_.servers[node_], std::string(greeting), this);
}

void PacedClient::BreakLater() {
  timeout_ = env_.loop.At(MonoNow() + kReplyTimeout, [this] {
    if (link_ != nullptr) link_->Break();
  });
}

void PacedClient::OnLinkMalformed(std::string_view server) {
  recorder_->Unexpected(
      options_.id, absl::StrCat("no reply at all from ", std::string(server)));
}

void PacedClient::OnLinkClosed(ClientLink* link) {
  (void)link;  // There is one connection at a time.
  dropped_ = std::move(link_);
  destroy_dropped_ = env_.loop.Defer([this] { dropped_.reset(); });
}

}  // namespace quorate::sim
