-- Dates are FHIR text of year, month or day precision. Each has an earliest and a latest day; what is no date has none.
-- A year before 1800 or after 2199, such as the 9999 that systems put for "open", is no date of care.
create macro earliest(written) as case
    when regexp_full_match(written, '(1[89]|2[01])[0-9]{2}') then try_cast(written || '-01-01' as date)
    when regexp_full_match(written, '(1[89]|2[01])[0-9]{2}-[0-9]{2}') then try_cast(written || '-01' as date)
    when regexp_full_match(written, '(1[89]|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}(T.*)?') then try_cast(left(written, 10) as date)
end;
create macro latest(written) as case
    when regexp_full_match(written, '(1[89]|2[01])[0-9]{2}') then try_cast(written || '-12-31' as date)
    when regexp_full_match(written, '(1[89]|2[01])[0-9]{2}-[0-9]{2}') then last_day(try_cast(written || '-01' as date))
    when regexp_full_match(written, '(1[89]|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}(T.*)?') then try_cast(left(written, 10) as date)
end;
