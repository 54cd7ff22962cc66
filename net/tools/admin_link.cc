#include "net/tools/admin_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/host_port.h"
#include "net/tools/resp_client.h"

namespace quorate::net {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kNodes[] = "/v1/nodes";

ControlAnswer Failed(std::string why, int exit_status = kControlFailed) {
  return {.error = std::move(why), .exit_status = exit_status};
}

// An address to connect to. A node that listens on all interfaces is reached at
// the host of `other`, another of its addresses.
std::string Reachable(const std::string& admin, const std::string& other) {
  const absl::StatusOr<HostPort> at = ParseBareHostPort(admin);
  const absl::StatusOr<HostPort> near = ParseBareHostPort(other);
  if (!at.ok() || !near.ok()) return admin;
  const bool any = at->host == "0.0.0.0" || at->host == "::";
  return FormatHostPort(any ? near->host : at->host, at->port);
}

// The admin address of the node at `address`, whichever of its addresses for
// clients that is.
absl::StatusOr<std::string> FindAdmin(const std::string& address,
                                      const LinkOptions& options) {
  auto client = RespClient::Connect(address, options);
  if (!client.ok()) return client.status();
  const absl::StatusOr<kv::RespValue> reply =
      (*client)->Call({"CONFIG", "GET", "listen.admin"});
  // Only HTTP is spoken there.
  if (!reply.ok()) return address;
  if (reply->elements.size() != 2 || reply->elements[1].text.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(address,
                     " is not an address of a Quorate node with an "
                     "admin address (listen.admin)"));
  }
  return Reachable(reply->elements[1].text, address);
}

Json Parsed(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

AdminLink::AdminLink(const ControlOptions& options, bool dry_run,
                     ChangeOperation operation)
    : options_(options), dry_run_(dry_run), operation_(std::move(operation)) {
  for (const std::string& address : options.addresses) {
    candidates_.push_back({.address = address});
  }
}

absl::Status AdminLink::Prepare(Candidate* candidate) {
  if (!candidate->is_admin) {
    absl::StatusOr<std::string> found =
        FindAdmin(candidate->address, options_.link());
    if (!found.ok()) return found.status();
    candidate->address = *std::move(found);
    candidate->is_admin = true;
  }
  if (candidate->is_of_cluster || cluster_.is_null()) return absl::OkStatus();
  const absl::StatusOr<AdminAnswer> listed =
      SendHttp(candidate->address, "GET", kNodes, "", options_.link());
  // The request itself has not been sent.
  if (!listed.ok()) {
    return absl::UnavailableError(std::string(listed.status().message()));
  }
  const Json nodes = Parsed(listed->body);
  if (!nodes.is_object() || nodes.value("cluster", Json()) != cluster_) {
    return absl::UnavailableError(candidate->address +
                                  " is not known as a node of the cluster");
  }
  candidate->is_of_cluster = true;
  return absl::OkStatus();
}

absl::StatusOr<AdminAnswer> AdminLink::Exchange(std::string_view method,
                                                const std::string& target,
                                                const std::string& body,
                                                const std::string& headers,
                                                bool repeatable) {
  std::optional<absl::StatusOr<AdminAnswer>> first;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    const size_t at = (current_ + i) % candidates_.size();
    const absl::Status prepared = Prepare(&candidates_[at]);
    absl::StatusOr<AdminAnswer> reply =
        prepared.ok() ? SendHttp(candidates_[at].address, method, target, body,
                                 options_.link(), headers)
                      : absl::StatusOr<AdminAnswer>(prepared);
    // A node that was removed does nothing for the cluster.
    if (reply.ok() && reply->status != 410) {
      current_ = at;
      return reply;
    }
    if (absl::IsUnknown(reply.status()) && !repeatable) return reply;
    if (!first.has_value()) first = std::move(reply);
  }
  if (first->ok() || candidates_.size() == 1) return *std::move(first);
  return absl::Status(
      first->status().code(),
      absl::StrCat(std::string(first->status().message()),
                   ". No other address of the cluster answers"));
}

std::optional<ControlAnswer> AdminLink::Ask(std::string_view method,
                                            const std::string& target,
                                            const Json& body,
                                            const std::string& headers,
                                            bool repeatable, Json* answer) {
  status_ = 0;
  code_.clear();
  if (!IsUtf8(body)) {
    return Failed("names and other texts must be UTF-8", kControlUsage);
  }
  const absl::StatusOr<AdminAnswer> reply = Exchange(
      method, target, body.is_null() ? "" : body.dump(), headers, repeatable);
  if (!reply.ok()) {
    const bool unknown = absl::IsUnknown(reply.status()) && !repeatable;
    return Failed(std::string(reply.status().message()),
                  unknown ? kControlUnknown : kControlFailed);
  }
  *answer = Parsed(reply->body);
  if (!answer->is_object()) {
    return Failed(candidates_[current_].address +
                  " is not an admin address of a Quorate node");
  }
  status_ = reply->status;
  if (status_ < 300) return std::nullopt;
  const Json why = answer->value("error", Json::object());
  code_ = why.value("code", "");
  if (status_ == 410) removed_ = why.value("node", 0u);
  return Failed(why.value("message", reply->body),
                status_ == 409   ? kControlRefused
                : status_ == 504 ? kControlUnknown
                                 : kControlFailed);
}

std::optional<ControlAnswer> AdminLink::Get(const std::string& target,
                                            Json* answer) {
  return Ask("GET", target, Json(), /*headers=*/"", /*repeatable=*/true,
             answer);
}

std::optional<ControlAnswer> AdminLink::Change(std::string_view method,
                                               const std::string& target,
                                               const Json& body, Json* answer) {
  auto failed = Ask(method, dry_run_ ? target + "?dry_run" : target,
                    body.is_null() ? Json::object() : body, operation_.Header(),
                    /*repeatable=*/dry_run_, answer);
  if (failed.has_value() && failed->exit_status == kControlUnknown) {
    failed->operation = operation_.NameIn(*answer);
    failed->error += operation_.Advice(failed->operation);
  }
  return failed;
}

std::optional<ControlAnswer> AdminLink::ChangeWithoutName(
    const std::string& target, const Json& body, Json* answer) {
  auto failed = Ask("POST", dry_run_ ? target + "?dry_run" : target, body,
                    /*headers=*/"", /*repeatable=*/dry_run_, answer);
  if (failed.has_value() && failed->exit_status == kControlUnknown) {
    failed->error += ". Type the same command again: it finishes this one";
  }
  return failed;
}

void AdminLink::LearnNodes() {
  Json nodes;
  if (Get(kNodes, &nodes).has_value()) return;
  cluster_ = nodes.value("cluster", Json());
  // Without it another cluster might be asked.
  if (cluster_.is_null()) return;
  candidates_[current_].is_of_cluster = true;
  for (const Json& node : nodes.value("nodes", Json::array())) {
    const Json addresses = node.value("addresses", Json::object());
    const std::string admin = addresses.value("admin", "");
    if (admin.empty() || node.value("state", "") == "removed") continue;
    const std::string address = Reachable(admin, addresses.value("peer", ""));
    const bool known = std::ranges::any_of(
        candidates_,
        [&](const Candidate& one) { return one.address == address; });
    if (known) continue;
    candidates_.push_back({.address = address, .is_admin = true});
  }
}

}  // namespace quorate::net
