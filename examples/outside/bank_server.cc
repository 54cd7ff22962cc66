#include "bank_server.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "env/parse_integer.h"
#include "env/task/files.h"
#include "env/task/join.h"
#include "env/task/wait.h"

namespace env = quorate::env;
using quorate::Buffer;
using quorate::NodeId;
using quorate::ParseInteger;

namespace {

constexpr int64_t kFirstBalance = 100;
constexpr int64_t kAmountMax = 1'000'000'000;
constexpr size_t kLineBytesMax = 1'000;
constexpr quorate::Duration kAnswerMax = quorate::Milliseconds(500);
constexpr quorate::Duration kLockWaitMax = quorate::Milliseconds(100);
constexpr quorate::Duration kAskAgain = quorate::Milliseconds(200);

std::vector<std::string> WordsOf(const std::string& line) {
  return absl::StrSplit(line, ' ');
}

}  // namespace

BankServer::BankServer(env::Env& env, BankOptions options, Done started,
                       Done stopped)
    : env_(env),
      options_(std::move(options)),
      stopped_(std::move(stopped)),
      journal_(env, options_.durability),
      start_(absl::StrCat(absl::Hex(env.random.Bits("bank.start", 0, 0)))),
      tasks_(env.loop, env.buggify) {
  Spawn(Start(std::move(started)));
}

env::Task<> BankServer::Start(Done started) { started(co_await Recover()); }

env::Task<absl::Status> BankServer::Recover() {
  absl::Status status = co_await env::Lock(env_.disk, "lock");
  if (!status.ok()) co_return status;
  auto lines = co_await journal_.Read();
  if (!lines.ok()) co_return lines.status();
  for (const std::string& line : *lines) Replay(line);
  // The lines are made durable before they count.
  status = co_await journal_.Begin(Snapshot());
  if (!status.ok()) co_return status;
  auto nodes = env::Acceptor::Listen(env_, options_.address);
  if (!nodes.ok()) co_return nodes.status();
  auto clients = env::Acceptor::Listen(env_, options_.client_address);
  if (!clients.ok()) co_return clients.status();
  Spawn(Write());
  Spawn(Serve(*std::move(nodes), &BankServer::OnMessage));
  Spawn(Serve(*std::move(clients), &BankServer::OnRequest));
  Spawn(ResolveDoubts());
  for (const auto& [id, accounts] : decided_) Spawn(Tell(id, accounts, true));
  co_return absl::OkStatus();
}

void BankServer::Replay(const std::string& line) {
  const std::vector<std::string> words = WordsOf(line);
  if (words[0] == "forget") {
    decided_.erase(words[1]);
    return;
  }
  uint32_t account = 0;
  int64_t number = 0;
  ParseInteger(words[2], &account);
  if (words.size() > 3) ParseInteger(words[3], &number);
  if (words[0] == "balance") {
    Balance(account) = number;
  } else if (words[0] == "prepare") {
    locks_[account] = {.id = words[1], .delta = number};
  } else if (words[0] == "decide") {
    decided_[words[1]] = {account, static_cast<uint32_t>(number)};
  } else {  // commit or abort
    if (words[0] == "commit") Balance(account) += locks_[account].delta;
    locks_.erase(account);
  }
}

std::vector<std::string> BankServer::Snapshot() const {
  std::vector<std::string> lines;
  for (const auto& [account, balance] : balances_) {
    lines.push_back(absl::StrCat("balance - ", account, " ", balance));
  }
  for (const auto& [account, lock] : locks_) {
    lines.push_back(
        absl::StrCat("prepare ", lock.id, " ", account, " ", lock.delta));
  }
  for (const auto& [id, accounts] : decided_) {
    lines.push_back(
        absl::StrCat("decide ", id, " ", accounts[0], " ", accounts[1]));
  }
  return lines;
}

env::Task<> BankServer::Write() { stopped_(co_await journal_.Run()); }

env::Task<> BankServer::Serve(std::unique_ptr<env::Acceptor> acceptor,
                              Handler handler) {
  while (true) {
    std::unique_ptr<env::ByteStream> stream = co_await acceptor->Accept();
    Spawn(Answer(std::move(stream), handler));
  }
}

env::Task<> BankServer::Answer(std::unique_ptr<env::ByteStream> stream,
                               Handler handler) {
  while (true) {
    absl::StatusOr<std::string> line = co_await stream->ReadLine(kLineBytesMax);
    if (!line.ok()) co_return;
    std::string answer = co_await (this->*handler)(*std::move(line));
    absl::Status sent =
        co_await stream->Write(Buffer::Take(std::move(answer) + "\n"));
    if (!sent.ok()) co_return;
  }
}

// A message to this node has no timeout, which would destroy a task in the
// middle of a change.
env::Task<std::string> BankServer::Ask(NodeId node, std::string line) {
  if (node == options_.node) co_return co_await OnMessage(std::move(line));
  std::string address;
  for (const env::PeerAddress& peer : options_.peers) {
    if (peer.node == node) address = peer.address;
  }
  absl::StatusOr<std::string> answer = co_await env::WithTimeout(
      env_.loop, kAnswerMax, AskOther(std::move(address), std::move(line)));
  co_return answer.ok() ? *std::move(answer) : "";
}

env::Task<absl::StatusOr<std::string>> BankServer::AskOther(std::string address,
                                                            std::string line) {
  auto stream = co_await env::Connect(env_, std::move(address));
  if (!stream.ok()) co_return stream.status();
  absl::Status sent =
      co_await (*stream)->Write(Buffer::Take(std::move(line) + "\n"));
  if (!sent.ok()) co_return sent;
  co_return co_await (*stream)->ReadLine(kLineBytesMax);
}

env::Task<std::string> BankServer::OnRequest(std::string line) {
  const std::vector<std::string> words = WordsOf(line);
  uint32_t a = 0, b = 0;
  int64_t amount = 0;
  const bool accounts = words.size() >= 3 && ParseInteger(words[1], &a) &&
                        ParseInteger(words[2], &b) && a != b;
  if (accounts && words.size() == 3 && words[0] == "show") {
    std::vector<Part> parts = {{a, 0}, {b, 0}};
    co_return co_await Transact(std::move(parts));
  }
  if (accounts && words.size() == 4 && words[0] == "move" &&
      ParseInteger(words[3], &amount) && amount > 0 && amount <= kAmountMax) {
    std::vector<Part> parts = {{a, -amount}, {b, amount}};
    co_return co_await Transact(std::move(parts));
  }
  co_return "not executed: no such request";
}

env::Task<std::string> BankServer::Transact(std::vector<Part> parts) {
  const std::string id =
      absl::StrCat(options_.node.value(), "-", start_, "-", ++transactions_);
  active_.insert(id);
  std::vector<Task<std::string>> questions;
  std::vector<uint32_t> accounts;
  for (const Part& part : parts) {
    accounts.push_back(part.account);
    questions.push_back(
        Ask(OwnerOf(part.account),
            absl::StrCat("prepare ", id, " ", part.account, " ", part.delta)));
  }
  const std::vector<std::string> votes =
      co_await env::All(std::move(questions));
  const bool agreed =
      votes[0].starts_with("yes ") && votes[1].starts_with("yes ");
  const bool commits = agreed && parts[0].delta != 0;
  if (commits) {
    absl::Status status = co_await journal_.Append(
        absl::StrCat("decide ", id, " ", accounts[0], " ", accounts[1]));
    // The next start knows whether it was written.
    if (!status.ok()) co_return "unknown: the disk failed";
    decided_[id] = accounts;
  }
  active_.erase(id);
  Spawn(Tell(id, std::move(accounts), commits));
  if (votes[0] == "no") co_return "no";
  if (!agreed) co_return "not executed: an account is locked or out of reach";
  if (commits) co_return "ok";
  co_return absl::StrCat("ok ", votes[0].substr(4), " ", votes[1].substr(4));
}

env::Task<> BankServer::Tell(std::string id, std::vector<uint32_t> accounts,
                             bool commits) {
  for (const uint32_t account : accounts) {
    const std::string message =
        absl::StrCat(commits ? "commit " : "abort ", id, " ", account);
    while (co_await Ask(OwnerOf(account), message) != "done" && commits) {
      co_await env::SleepFor(env_.loop, kAskAgain);
    }
  }
  if (!commits) co_return;
  // No node will ask for it.
  absl::Status status = co_await journal_.Append("forget " + id);
  if (status.ok()) decided_.erase(id);
}

std::string BankServer::OutcomeOf(const std::string& id) const {
  if (active_.contains(id)) return "wait";
  return decided_.contains(id) ? "commit" : "abort";
}

env::Task<std::string> BankServer::OnMessage(std::string line) {
  const std::vector<std::string> words = WordsOf(line);
  Part part;
  if (words.size() == 2 && words[0] == "outcome") {
    co_return OutcomeOf(words[1]);
  }
  if (words.size() == 3 && ParseInteger(words[2], &part.account)) {
    co_return co_await End(words[1], part.account, words[0] == "commit");
  }
  if (words.size() == 4 && ParseInteger(words[2], &part.account) &&
      ParseInteger(words[3], &part.delta)) {
    co_return co_await Prepare(words[1], part);
  }
  co_return "no such message";
}

env::Task<absl::Status> BankServer::AwaitFree(uint32_t account) {
  while (locks_.contains(account)) co_await freed_.Wait();
  co_return absl::OkStatus();
}

// Two transactions may wait for each other, hence the timeout. Another one may
// lock the account before this task continues.
env::Task<std::string> BankServer::Prepare(std::string id, Part part) {
  absl::Status free = co_await env::WithTimeout(env_.loop, kLockWaitMax,
                                                AwaitFree(part.account));
  if (!free.ok() || locks_.contains(part.account)) co_return "locked";
  const int64_t balance = Balance(part.account);
  if (balance + part.delta < 0) co_return "no";
  locks_[part.account] = {.id = id, .delta = part.delta};
  absl::Status status = co_await journal_.Append(
      absl::StrCat("prepare ", id, " ", part.account, " ", part.delta));
  if (!status.ok()) co_return "the disk failed";
  co_return absl::StrCat("yes ", balance);
}

env::Task<std::string> BankServer::End(std::string id, uint32_t account,
                                       bool commits) {
  const auto lock = locks_.find(account);
  if (lock == locks_.end() || lock->second.id != id) co_return "done";
  if (std::exchange(lock->second.ends, true)) co_return "wait";
  absl::Status status = co_await journal_.Append(
      absl::StrCat(commits ? "commit " : "abort ", id, " ", account));
  if (!status.ok()) co_return "the disk failed";
  if (commits) Balance(account) += lock->second.delta;
  locks_.erase(lock);
  freed_.Notify();
  co_return "done";
}

env::Task<> BankServer::ResolveDoubts() {
  while (true) {
    co_await env::SleepFor(env_.loop, kAskAgain);
    const std::map<uint32_t, Lock> locks = locks_;
    for (const auto& [account, lock] : locks) {
      uint16_t node = 0;
      ParseInteger(lock.id.substr(0, lock.id.find('-')), &node);
      const std::string outcome =
          co_await Ask(NodeId(node), "outcome " + lock.id);
      if (outcome != "commit" && outcome != "abort") continue;
      co_await End(lock.id, account, outcome == "commit");
    }
  }
}

int64_t& BankServer::Balance(uint32_t account) {
  return balances_.try_emplace(account, kFirstBalance).first->second;
}

NodeId BankServer::OwnerOf(uint32_t account) const {
  return NodeId(1 + account % (options_.peers.size() + 1));
}

// With too many tasks at once the new one is destroyed: a client is closed, and
// a node that is not told asks.
void BankServer::Spawn(Task<> task) {
  tasks_.Spawn(std::move(task)).IgnoreError();
}
