/// \file postgres_session.hpp
/// SqlSession on a PostgreSQL server. No call waits longer than some seconds, whatever the server
/// and the network do; a connection that failed in any way is dropped, and the next transaction
/// connects anew.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <libpq-fe.h>

#include "store/sql_session.hpp"

namespace baozi::store {

class PostgresSession final : public SqlSession {
 public:
  /// Runs once on each new connection, in a transaction.
  using OnConnect = std::function<Result<void>(PostgresSession&)>;
  /// Connects. \return the codes of open_postgres_schedule_store
  [[nodiscard]] static Result<std::unique_ptr<PostgresSession>> open(const std::string& url,
                                                                     OnConnect on_connect);

  Result<void> begin(bool writing) override;
  Result<void> commit() override;
  void roll_back() override;
  Result<void> query(const std::string& sql, const Row& parameters, const OnRow& on_row) override;
  Result<void> run_for_each(const std::string& sql, std::span<const Row> rows) override;
  /// Several statements at once, without parameters.
  Result<void> run_script(const std::string& sql);
  std::string select_instant(std::string_view column) const override;
  std::string clock() const override;
  std::string clock_name() const override { return "server"; }
  std::string name() const override { return name_; }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Answer = std::unique_ptr<PGresult, Clear>;
  using Deadline = std::chrono::steady_clock::time_point;

  PostgresSession(std::string url, std::string name, OnConnect on_connect)
      : url_{std::move(url)}, name_{std::move(name)}, on_connect_{std::move(on_connect)} {}
  Result<void> connect();
  /// Hands over what is still to be sent.
  Result<void> flush(Deadline deadline);
  /// The next answer; null at the end of a statement's.
  Result<Answer> next_answer(Deadline deadline);
  /// The answers of one statement, the last of which counts.
  Result<Answer> answer_of_statement();
  /// Of the statement that was prepared last.
  Result<void> run_pipeline(std::span<const Row> rows);
  Result<void> wait(bool also_to_write, Deadline deadline);
  /// Drops the connection.
  Unexpected lost(const std::string& why);
  Unexpected refused(const PGresult* answer) const;

  std::string url_;
  std::string name_;
  OnConnect on_connect_;
  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace baozi::store
