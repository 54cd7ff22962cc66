#include "sim/workload/surface_client.h"

#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kv/slots/slot.h"
#include "sim/protocol/key_prefixes.h"
#include "sim/workload/surface_requests.h"

namespace quorate::sim {
namespace {

constexpr uint64_t kBetweenVisitsMaxMs = 2'000;
constexpr Duration kVisitMax = Seconds(5);
constexpr uint64_t kRequestsMax = 12;
constexpr uint64_t kPauseMaxMs = 100;
// Above bounds.key_bytes. Four are above the bound of the head of a request.
constexpr size_t kLongKeyBytes = 17'000;
// A command writes at most 10,000 keys, and a connection watches fewer.
constexpr int kWordsOfTooMany = 10'001;
constexpr std::string_view kManyWordsMark = "%W";
constexpr uint64_t kManyWordsOneIn = 4;
// The beginning of a request that violations show.
constexpr size_t kShownBytes = 100;
// More than most visits add to the texts of their requests.
constexpr size_t kBesideTexts = 2'000;

// Stands for a large value in the text of a request.
constexpr std::string_view kLargeMark = "%L";

// The first request of each visit.
constexpr std::string_view kIdentityQuery = "CLUSTER MYID";

// Replaces `parts` by the parts of the text between the marks.
void Split(std::string_view text, char mark,
           std::vector<std::string_view>* parts) {
  parts->clear();
  size_t begin = 0;
  for (size_t end; (end = text.find(mark, begin)) != text.npos;) {
    parts->push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  parts->push_back(text.substr(begin));
}

size_t CountOf(std::string_view part, std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != text.npos;
       at += part.size()) {
    ++count;
  }
  return count;
}

// Takes the mark off the request if it is there.
bool TakeMark(char mark, std::string_view* request) {
  if (!request->starts_with(mark)) return false;
  request->remove_prefix(1);
  return true;
}

}  // namespace

SurfaceClient::SurfaceClient(env::Env& env, SurfaceClientOptions options,
                             Violate violate)
    : Dialogue(env),
      env_(env),
      options_(std::move(options)),
      violate_(std::move(violate)) {
  Leave();
}

void SurfaceClient::Leave() {
  rest_.Cancel();
  awaited_.clear();
  BeginAfter(Milliseconds(
      static_cast<int64_t>(Draw("surface.wait", kBetweenVisitsMaxMs))));
}

void SurfaceClient::OnBegin() {
  ++visits_;
  speaks_http_ = Draw("surface.http", 4) == 0;
  const std::vector<std::string>& addresses =
      speaks_http_ ? options_.http : options_.resp;
  SetTimeout(kVisitMax);
  Open(addresses[Draw("surface.address", addresses.size())],
       speaks_http_ ? Protocol::kHttp : Protocol::kResp);
}

void SurfaceClient::Fill(std::string_view text, uint64_t which,
                         std::string* out) {
  // In slots of its own: removals count for all keys of a slot.
  const std::string key = SurfaceKey(Draw("surface.key", 4, which));
  const auto many = [&](std::string_view behind) {
    for (int i = 0; i < kManyKeys; ++i) {
      absl::StrAppend(out, i == 0 ? "" : " ", key, ":", i, std::string(behind));
    }
  };
  while (true) {
    const size_t mark = text.find('%');
    out->append(text.substr(0, mark));
    if (mark == text.npos) return;
    text.remove_prefix(mark + 1);
    switch (text.empty() ? '\0' : text[0]) {
      case 'k':
        out->append(key);
        break;
      case 'n':
        out->append(key).append(":number");
        break;
      case 'f':
        out->append(key).append(":decimal");
        break;
      case 's':
        absl::StrAppend(out, kv::HashSlot(key).value());
        break;
      case 'i':
        out->append(node_identity_);
        break;
      case 'v':
        out->append(Draw("surface.value", 40, which) + 1, 'v');
        break;
      case 'K':
        out->append(kLongKeyBytes, 'k');
        break;
      case 'W':
        for (int i = 0; i < kWordsOfTooMany; ++i)
          out->append(i == 0 ? "w" : " w");
        break;
      case 'L':  // AskResp puts the value in place.
        out->append(kLargeMark);
        break;
      case 'm':
        many("");
        break;
      case 'p':
        many(" 1");
        break;
      default:  // No mark.
        out->push_back('%');
        continue;
    }
    text.remove_prefix(1);
  }
}

void SurfaceClient::Await(std::string_view request, bool error, int status) {
  awaited_.push_back({.request = std::string(request.substr(0, kShownBytes)),
                      .error = error,
                      .status = status});
}

std::string_view SurfaceClient::LargeValues(size_t count) {
  const size_t size = count * kLargeValueBytes;
  if (large_values_.size() < size) large_values_.resize(size, 'l');
  return std::string_view(large_values_).substr(0, size);
}

std::string_view SurfaceClient::DrawScript(uint64_t which) {
  const std::string_view script =
      kRespScripts[Draw("surface.script", std::size(kRespScripts), which)];
  // Requests of very many words are dear, and few suffice.
  const bool left_out =
      (!options_.closes_others && script.starts_with(kClosesOthers)) ||
      (script.find(kManyWordsMark) != script.npos &&
       Draw("surface.many_words", kManyWordsOneIn, which) != 0);
  return left_out ? "PING" : script;
}

void SurfaceClient::AskResp() {
  std::string text(kIdentityQuery);
  const uint64_t scripts = 1 + Draw("surface.scripts", kRequestsMax);
  for (uint64_t i = 0; i < scripts; ++i) {
    text.push_back('\n');
    Fill(DrawScript(i), i, &text);
  }
  std::string bytes;
  bytes.reserve(text.size() + kBesideTexts +
                CountOf(kLargeMark, text) * kLargeValueBytes);
  std::vector<std::string_view> requests;
  std::vector<std::string_view> words;
  Split(text, '\n', &requests);
  for (std::string_view request : requests) {
    const bool silent = TakeMark(kSilentMark, &request);
    const bool error = TakeMark(kErrorMark, &request);
    if (TakeMark(kRawMark, &request)) {
      bytes += absl::StrReplaceAll(std::string(request), {{"|", "\r\n"}});
    } else if (TakeMark(kInlineMark, &request)) {
      bytes.append(request).append("\r\n");
    } else {
      Split(request, ' ', &words);
      for (std::string_view& word : words) {
        // A word has nothing beside such marks.
        const size_t values = CountOf(kLargeMark, word);
        if (values > 0) word = LargeValues(values);
      }
      AppendCommand(words, &bytes);
    }
    if (!silent) Await(request, error, 0);
  }
  SendPieces(std::move(bytes));
}

void SurfaceClient::AskHttp() {
  std::string bytes;
  size_t first = 0;
  const uint64_t calls = 1 + Draw("surface.calls", kRequestsMax);
  for (uint64_t i = 0; i < calls; ++i) {
    const HttpScript& script =
        kHttpScripts[Draw("surface.call", std::size(kHttpScripts), i)];
    const size_t begin = bytes.size();
    Fill(script.head, i, &bytes);
    const std::string_view head = std::string_view(bytes).substr(begin);
    Await(head, /*error=*/false, script.status);
    const bool has_host = head.find("\r\nHost:") != head.npos;
    const bool waits = head.find("\r\nExpect:") != head.npos;
    absl::StrAppend(&bytes, has_host ? "" : "\r\nHost: localhost", "\r\n\r\n");
    // A client that expects an interim reply waits with the body.
    if (waits) first = bytes.size();
    Fill(script.body, i, &bytes);
  }
  if (first == 0) return SendPieces(std::move(bytes));
  SendInTwo(Buffer::Take(std::move(bytes)), first);
}

void SurfaceClient::SendPieces(std::string bytes) {
  const bool pauses = Draw("surface.pauses", 3) == 0;
  const size_t first =
      pauses ? Draw("surface.first_bytes", bytes.size() + 1) : bytes.size();
  SendInTwo(Buffer::Take(std::move(bytes)), first);
}

void SurfaceClient::SendInTwo(Buffer bytes, size_t first) {
  connection()->Write(bytes.Slice(0, first));
  if (first == bytes.size()) return;
  const auto pause =
      static_cast<int64_t>(Draw("surface.pause_ms", kPauseMaxMs));
  rest_ = env_.loop.At(
      env_.loop.ReadClock().mono + Milliseconds(pause),
      [this, rest = bytes.Suffix(first)] { connection()->Write(rest); });
}

void SurfaceClient::OnReply(ClientReply reply) {
  if (awaited_.empty()) return Fail("a reply without a request");
  if (awaited_.front().error && !reply.is_error()) {
    return Fail(absl::StrCat("no error but ", reply.ToString()));
  }
  if (awaited_.front().request == kIdentityQuery && !reply.is_error()) {
    node_identity_ = reply.text;
  }
  Took();
}

void SurfaceClient::OnAnswer(const HttpAnswer& answer) {
  if (awaited_.empty()) return Fail("an HTTP answer without a request");
  const int status = awaited_.front().status;
  // A node that stops refuses every request, whatever is wrong with it.
  const bool stops = answer.status == 503 && answer.closes &&
                     absl::StrContains(answer.body, "\"STOPPED\"");
  if (status != 0 && status != answer.status && !stops) {
    return Fail(absl::StrCat("status ", answer.status, ", not ", status));
  }
  Took();
}

void SurfaceClient::OnOver(const absl::Status& why) {
  absl::IsInvalidArgument(why) ? Fail(std::string(why.message())) : Leave();
}

void SurfaceClient::Took() {
  ++answered_;
  awaited_.pop_front();
  if (awaited_.empty()) Leave();
}

void SurfaceClient::Fail(std::string_view what) {
  violate_(
      absl::StrCat("surface client: ", std::string(what), " for ",
                   awaited_.empty() ? "nothing" : awaited_.front().request));
  Leave();
}

}  // namespace quorate::sim
