DROP TABLE sign_up_links;
