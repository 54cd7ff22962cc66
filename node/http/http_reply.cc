#include "node/http/http_reply.h"

#include "env/json_string.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

using kv::ResultStatus;

constexpr HttpStatusError kErrors[] = {
    {ResultStatus::kWrongType, 409, "WRONG_TYPE",
     "the key holds another kind of value"},
    {ResultStatus::kNotInteger, 409, "NOT_INTEGER",
     "the value is not an integer"},
    {ResultStatus::kNotFloat, 409, "NOT_FLOAT", "the value is not a number"},
    {ResultStatus::kOverflow, 409, "OVERFLOW", "the sum would overflow"},
    {ResultStatus::kTooLarge, 413, "TOO_LARGE", "the value would be too large"},
    {ResultStatus::kNotOwner, 503, "WRONG_SHARD",
     "the group does not own the key's slot; the request was not executed"},
    {ResultStatus::kSessionExpired, 409, "SESSION_EXPIRED",
     "the key's session is over; whether an earlier try took effect is not "
     "known"},
    {ResultStatus::kStaleSequence, 409, "SESSION_STALE",
     "the client declared that it needs no answer to this request"},
    {ResultStatus::kSequenceReused, 422, "IDEMPOTENCY_KEY_REUSED",
     "the Idempotency-Key was used for another request"},
    {ResultStatus::kTooManyOutstanding, 429, "SESSION_FULL",
     "too many requests of the session are outstanding"},
    {ResultStatus::kTooManySessions, 429, "SESSION_LIMIT",
     "the slot holds no more sessions; the request was not executed"},
    {ResultStatus::kMalformed, 400, "MALFORMED",
     "the store refused the request as malformed"},
    {ResultStatus::kOutOfMemory, 507, "OUT_OF_MEMORY",
     "the group's leader has used its memory; the request was not executed"},
    {ResultStatus::kResultNotKept, 409, "RESULT_NOT_KEPT",
     "the request took effect; its result was too large to keep"},
};

}  // namespace

std::string_view HttpReason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Payload Too Large";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

std::string HttpErrorBody(std::string_view code, std::string_view message,
                          std::string_view more) {
  return Concat("{\"error\":{\"code\":\"", code,
                "\",\"message\":", JsonString(message), more, "}}\n");
}

const HttpStatusError* HttpErrorOf(ResultStatus status) {
  for (const HttpStatusError& error : kErrors) {
    if (error.result == status) return &error;
  }
  return nullptr;
}

}  // namespace quorate::node
