#include "store/postgres_session.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <fmt/format.h>
#include <poll.h>

namespace baozi::store {
namespace {

using std::chrono::steady_clock;

// The server gives up first and says why; the client's limit is for a server that says nothing.
constexpr const char* server_limits =
    "SET statement_timeout = 8000; SET lock_timeout = 5000;"
    "SET idle_in_transaction_session_timeout = 20000; SET timezone = 'UTC';"
    "SET client_min_messages = warning;"
    // Texts that look like escapes are just texts.
    "SET standard_conforming_strings = on";
constexpr std::chrono::seconds answer_limit{10};
constexpr const char* connect_limit_s = "5";
/// Statements on the way at once: their answers fit into a socket's buffer.
constexpr std::size_t pipeline_statements = 500;

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

Errc code_of(std::string_view state) {
  if (state == "53100") return Errc::store_full;
  if (state == "25006" || state == "42501") return Errc::store_read_only;
  // Deadlock, serialization, lock timeout: somebody else writes.
  if (state == "40P01" || state == "40001" || state == "55P03") return Errc::store_locked;
  if (state.starts_with("22") || state.starts_with("23")) return Errc::invalid;
  if (state == "XX001" || state == "XX002") return Errc::store_corrupt;
  return Errc::store_failed;
}

struct FreeInfo {
  void operator()(PQconninfoOption* info) const { PQconninfoFree(info); }
};

/// "store postgresql://host:5432/database": what may be shown of a URL.
Result<std::string> shown(const std::string& url) {
  char* complaint = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeInfo> info{PQconninfoParse(url.c_str(), &complaint)};
  if (!info) {
    // libpq's own words may quote the URL, password included.
    PQfreemem(complaint);
    return unexpected(Errc::invalid,
                      "store: that is no URL of a PostgreSQL database; write "
                      "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with % and two digits for "
                      "special characters");
  }
  std::string host;
  std::string port;
  std::string database;
  for (const PQconninfoOption* option = info.get(); option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    const std::string value = option->val == nullptr ? "" : option->val;
    if (keyword == "host") host = value;
    if (keyword == "port" && !value.empty()) port = ":" + value;
    if (keyword == "dbname") database = value;
  }
  return "store postgresql://" + host + port + "/" + database;
}

}  // namespace

Result<std::unique_ptr<PostgresSession>> PostgresSession::open(const std::string& url,
                                                               OnConnect on_connect) {
  const auto name = shown(url);
  if (!name) return Unexpected{name.error()};
  std::unique_ptr<PostgresSession> session{new PostgresSession{url, *name, std::move(on_connect)}};
  if (auto connected = session->connect(); !connected) return Unexpected{connected.error()};
  return session;
}

Unexpected PostgresSession::lost(const std::string& why) {
  connection_.reset();
  return unexpected(Errc::store_failed, name_ + ": " + one_line(why));
}

Unexpected PostgresSession::refused(const PGresult* answer) const {
  const char* state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
  const char* detail = PQresultErrorField(answer, PG_DIAG_MESSAGE_DETAIL);
  return unexpected(
      code_of(state == nullptr ? "" : state),
      fmt::format("{}: {}{}{}", name_,
                  message == nullptr ? one_line(PQresultErrorMessage(answer)) : message,
                  detail == nullptr ? "" : ": ", detail == nullptr ? "" : one_line(detail)));
}

Result<void> PostgresSession::connect() {
  // What the URL says wins; the later of two says it.
  const std::array keys = {"connect_timeout",
                           "tcp_user_timeout",
                           "keepalives_idle",
                           "keepalives_interval",
                           "keepalives_count",
                           "application_name",
                           "dbname",
                           "client_encoding",
                           static_cast<const char*>(nullptr)};
  const std::array values = {connect_limit_s,
                             "10000",
                             "5",
                             "2",
                             "2",
                             "baozi",
                             url_.c_str(),
                             "UTF8",
                             static_cast<const char*>(nullptr)};
  connection_.reset(PQconnectdbParams(keys.data(), values.data(), 1));
  if (!connection_) return lost("out of memory");
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    return lost(PQerrorMessage(connection_.get()));
  }
  if (PQsetnonblocking(connection_.get(), 1) != 0) return lost(PQerrorMessage(connection_.get()));
  Result<void> ready = run_script(server_limits);
  if (ready) ready = run_script("BEGIN");
  if (ready) ready = on_connect_(*this);
  if (ready) ready = run_script("COMMIT");
  if (!ready) connection_.reset();
  return ready;
}

Result<void> PostgresSession::wait(bool also_to_write, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) return lost(fmt::format("no answer within {} s", answer_limit.count()));
    pollfd socket{PQsocket(connection_.get()),
                  static_cast<short>(also_to_write ? POLLIN | POLLOUT : POLLIN), 0};
    const int ready = ::poll(&socket, 1, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return lost(std::strerror(errno));
    if (ready <= 0) continue;
    if ((socket.revents & ~POLLOUT) != 0 && PQconsumeInput(connection_.get()) != 1) {
      return lost(PQerrorMessage(connection_.get()));
    }
    return {};
  }
}

Result<void> PostgresSession::flush(Deadline deadline) {
  for (;;) {
    const int left = PQflush(connection_.get());
    if (left == 0) return {};
    if (left < 0) return lost(PQerrorMessage(connection_.get()));
    if (auto waited = wait(true, deadline); !waited) return waited;
  }
}

Result<PostgresSession::Answer> PostgresSession::next_answer(Deadline deadline) {
  while (PQisBusy(connection_.get()) == 1) {
    if (auto waited = wait(false, deadline); !waited) return Unexpected{waited.error()};
  }
  return Answer{PQgetResult(connection_.get())};
}

Result<PostgresSession::Answer> PostgresSession::answer_of_statement() {
  const Deadline deadline = steady_clock::now() + answer_limit;
  if (auto flushed = flush(deadline); !flushed) return Unexpected{flushed.error()};
  Answer last;
  for (;;) {
    Result<Answer> answer = next_answer(deadline);
    if (!answer) return answer;
    if (!*answer) break;
    const bool failed = last && PQresultStatus(last.get()) == PGRES_FATAL_ERROR;
    if (!failed) last = std::move(*answer);
  }
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    return lost(PQerrorMessage(connection_.get()));
  }
  if (!last) return lost("no answer");
  const ExecStatusType status = PQresultStatus(last.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) return refused(last.get());
  return last;
}

Result<void> PostgresSession::run_script(const std::string& sql) {
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1) {
    return lost(PQerrorMessage(connection_.get()));
  }
  auto answer = answer_of_statement();
  if (!answer) return Unexpected{answer.error()};
  return {};
}

Result<void> PostgresSession::begin(bool writing) {
  if (!connection_) {
    if (auto connected = connect(); !connected) return connected;
  }
  Result<void> begun = run_script("BEGIN");
  if (!begun && !connection_) {
    // The server was restarted since the last call: that is no reason to fail this one.
    if (auto connected = connect(); !connected) return connected;
    begun = run_script("BEGIN");
  }
  if (!begun || !writing) return begun;
  // Whoever writes holds the one row of the state, so that writers come one after the other.
  return run_script("SELECT 1 FROM baozi_schedule_state FOR UPDATE");
}

Result<void> PostgresSession::commit() {
  if (!connection_) return unexpected(Errc::store_failed, name_ + ": the connection was lost");
  return run_script("COMMIT");
}

void PostgresSession::roll_back() {
  if (!connection_) return;
  if (auto done = run_script("ROLLBACK"); !done) connection_.reset();
}

Result<void> PostgresSession::query(const std::string& sql, const Row& parameters,
                                    const OnRow& on_row) {
  std::vector<const char*> values;
  for (const SqlText& text : parameters) values.push_back(text ? text->c_str() : nullptr);
  if (PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                        values.data(), nullptr, nullptr, 0) != 1) {
    return lost(PQerrorMessage(connection_.get()));
  }
  auto answer = answer_of_statement();
  if (!answer) return Unexpected{answer.error()};
  std::vector<SqlView> row(static_cast<std::size_t>(PQnfields(answer->get())));
  const int rows = PQntuples(answer->get());
  for (int at = 0; at < rows; ++at) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const int column = static_cast<int>(i);
      if (PQgetisnull(answer->get(), at, column) == 1) {
        row[i] = std::nullopt;
      } else {
        row[i] = std::string_view{PQgetvalue(answer->get(), at, column),
                                  static_cast<std::size_t>(PQgetlength(answer->get(), at, column))};
      }
    }
    if (auto taken = on_row(row); !taken) return taken;
  }
  return {};
}

Result<void> PostgresSession::run_for_each(const std::string& sql, std::span<const Row> rows) {
  if (rows.empty()) return {};
  if (PQsendPrepare(connection_.get(), "", sql.c_str(), 0, nullptr) != 1) {
    return lost(PQerrorMessage(connection_.get()));
  }
  if (auto prepared = answer_of_statement(); !prepared) return Unexpected{prepared.error()};
  while (!rows.empty()) {
    const auto part = rows.first(std::min(rows.size(), pipeline_statements));
    if (auto done = run_pipeline(part); !done) return done;
    rows = rows.subspan(part.size());
  }
  return {};
}

/// Sends all and then reads all, so that a thousand rows do not wait for a thousand answers.
Result<void> PostgresSession::run_pipeline(std::span<const Row> rows) {
  PGconn* const connection = connection_.get();
  if (PQenterPipelineMode(connection) != 1) return lost(PQerrorMessage(connection));
  std::vector<const char*> values;
  for (const Row& row : rows) {
    values.clear();
    for (const SqlText& text : row) values.push_back(text ? text->c_str() : nullptr);
    if (PQsendQueryPrepared(connection, "", static_cast<int>(values.size()), values.data(), nullptr,
                            nullptr, 0) != 1) {
      return lost(PQerrorMessage(connection));
    }
  }
  if (PQpipelineSync(connection) != 1) return lost(PQerrorMessage(connection));
  const Deadline deadline = steady_clock::now() + answer_limit;
  if (auto flushed = flush(deadline); !flushed) return flushed;
  Result<void> done;
  for (bool synced = false; !synced;) {
    Result<Answer> answer = next_answer(deadline);
    if (!answer) return Unexpected{answer.error()};
    if (!*answer) {  // the end of one statement's
      if (PQstatus(connection) != CONNECTION_OK) return lost(PQerrorMessage(connection));
      continue;
    }
    switch (PQresultStatus(answer->get())) {
      case PGRES_PIPELINE_SYNC: synced = true; break;
      case PGRES_COMMAND_OK:
      case PGRES_PIPELINE_ABORTED: break;
      default:
        if (done) done = refused(answer->get());
    }
    if (PQstatus(connection) != CONNECTION_OK) return lost(PQerrorMessage(connection));
  }
  if (PQexitPipelineMode(connection) != 1) return lost(PQerrorMessage(connection));
  return done;
}

std::string PostgresSession::select_instant(std::string_view column) const {
  return fmt::format("to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')", column);
}

std::string PostgresSession::clock() const {
  return "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
}

}  // namespace baozi::store
