#include "node/resp/absent_state.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "env/check.h"
#include "env/parse_integer.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr std::string_view kSyntaxError = "ERR syntax error";

// CLIENT TRACKING on|off [REDIRECT id] [PREFIX p]... [BCAST] [OPTIN] [OPTOUT]
// [NOLOOP]. This server sends no invalidations.
std::string_view TrackingError(Arguments options, bool on) {
  bool prefix = false;
  bool broadcast = false;
  int opt = 0;
  for (size_t i = 0; i < options.size(); ++i) {
    const bool more = i + 1 < options.size();
    if (EqualsIgnoreCase(options[i], "redirect") && more) {
      int64_t id;
      if (!ParseInteger(options[++i], &id)) {
        return "ERR value is not an integer or out of range";
      }
      if (on) return "ERR The client ID you want redirect to does not exist";
    } else if (EqualsIgnoreCase(options[i], "prefix") && more) {
      prefix = true;
      ++i;
    } else if (EqualsIgnoreCase(options[i], "bcast")) {
      broadcast = true;
    } else if (EqualsIgnoreCase(options[i], "optin") ||
               EqualsIgnoreCase(options[i], "optout")) {
      ++opt;
    } else if (!EqualsIgnoreCase(options[i], "noloop")) {
      return kSyntaxError;
    }
  }
  if (!on) return {};
  if (prefix && !broadcast) {
    return "ERR PREFIX option requires BCAST mode to be enabled";
  }
  if (broadcast && opt > 0) {
    return "ERR OPTIN and OPTOUT are not compatible with BCAST";
  }
  return "ERR CLIENT TRACKING is not supported: this server sends no "
         "invalidations";
}

// CLIENT PAUSE timeout [WRITE | ALL]. Only a pause of zero length is supported.
std::string PauseError(Arguments arguments) {
  if (arguments.size() > 2) {
    return "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. "
           "Try CLIENT HELP.";
  }
  if (arguments.size() == 2 && !EqualsIgnoreCase(arguments[1], "write") &&
      !EqualsIgnoreCase(arguments[1], "all")) {
    return "ERR CLIENT PAUSE mode must be WRITE or ALL";
  }
  int64_t ms;
  if (!ParseInteger(arguments[0], &ms)) {
    return "ERR timeout is not an integer or out of range";
  }
  if (ms < 0) return "ERR timeout is negative";
  if (ms > 0) return "ERR CLIENT PAUSE is not supported by this server";
  return {};
}

std::string_view UnblockError(Arguments arguments) {
  int64_t id;
  if (arguments.size() > 2) {
    return "ERR wrong number of arguments for 'client|unblock' command";
  }
  if (arguments.size() == 2 && !EqualsIgnoreCase(arguments[1], "timeout") &&
      !EqualsIgnoreCase(arguments[1], "error")) {
    return "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
  }
  if (!ParseInteger(arguments[0], &id)) {
    return "ERR value is not an integer or out of range";
  }
  return {};
}

}  // namespace

void WriteAbsentState(const CommandRow& row, Arguments arguments,
                      RespWriter& reply) {
  std::string error;
  switch (row.id) {
    case CommandId::kClientTracking: {
      const bool on = EqualsIgnoreCase(arguments[0], "on");
      error = TrackingError(arguments.subspan(1), on);
      if (!on && !EqualsIgnoreCase(arguments[0], "off")) error = kSyntaxError;
      break;
    }
    case CommandId::kClientCaching:
      error =
          "ERR CLIENT CACHING can be called only when the client is in "
          "tracking mode with OPTIN or OPTOUT mode enabled";
      break;
    case CommandId::kClientTrackinginfo:
      reply.Map(3);
      reply.Bulk("flags");
      reply.Set(1);
      reply.Bulk("off");
      reply.Bulk("redirect");
      reply.Integer(-1);
      reply.Bulk("prefixes");
      return reply.Array(0);
    case CommandId::kClientGetredir:
      return reply.Integer(-1);
    case CommandId::kClientPause:
      error = PauseError(arguments);
      break;
    case CommandId::kClientUnblock:
      error = UnblockError(arguments);
      if (error.empty()) return reply.Integer(0);
      break;
    default:
      CHECK(row.id == CommandId::kClientUnpause) << row.name;
  }
  error.empty() ? reply.Ok() : reply.Error(error);
}

}  // namespace quorate::node
